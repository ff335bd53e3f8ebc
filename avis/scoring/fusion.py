"""Fusion: turn the scores of several systems into one log-likelihood ratio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.metrics.eer import equal_error_rate
from avis.scoring.calibration import Calibration


class Fusion:
    """Fit a weighted sum of systems' scores that is a natural-log likelihood ratio, by logistic regression.

    It is the map of `avis.scoring.calibration.Calibration`, capped likewise, with a weight per system: that of the
    system with the lowest equal error rate is kept positive, the others may have either sign. With one system it is
    the calibration of its scores.

    Parameters
    ----------
    p_target, l2 : float
        See `avis.scoring.calibration.Calibration`.

    References
    ----------
    Brümmer et al., "Fusion of Heterogeneous Speaker Recognition Systems in the STBU Submission for the NIST Speaker
    Recognition Evaluation 2006", IEEE Transactions on Audio, Speech and Language Processing 15(7), 2007.
    """

    def __init__(self, *, p_target: float, l2: float) -> None:
        self._calibration = Calibration(p_target=p_target, l2=l2, measures=[])
        self._best_first: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def fit(
        self, scores: NDArray[np.floating], target: NDArray[np.bool_], speakers: NDArray[np.integer] | None = None
    ) -> None:
        """Learn the weights and where ratios are capped.

        Parameters
        ----------
        scores : float [trials, systems]
            Scores of each system.
        target, speakers : bool [trials], int [trials, 2] or None
            See `avis.scoring.calibration.Calibration.fit`.

        Raises
        ------
        ScoresDoNotRise, ValueError
            See `avis.scoring.calibration.Calibration.fit`.
        """
        eers = [equal_error_rate(column, target)[0] for column in scores.T]
        self._best_first = np.argsort(eers, kind="stable")
        self._calibration.fit(*self._parted(scores), target, speakers)

    def uncapped_llr(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return log-likelihood ratios, float32 ``[trials]``, of scores ``[trials, systems]``, beyond the cap too."""
        return self._calibration.uncapped_llr(*self._parted(scores))

    def cap(self, llr: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring log-likelihood ratios within the bounds."""
        return self._calibration.cap(llr)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weight of each system's scores: float64 ``[systems]``."""
        return self._calibration.state()["weights"][np.argsort(self._best_first)]

    @property
    def offset(self) -> float:
        """What is added to the weighted sum."""
        return float(self._calibration.state()["offset"])

    def facts(self) -> dict[str, Any]:
        """Return what `avis.scoring.calibration.Calibration.facts` does."""
        return self._calibration.facts()

    def _parted(self, scores: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return the scores ``[trials]`` of the best system, and ``[trials, systems - 1]`` of the others."""
        return scores[:, self._best_first[0]], scores[:, self._best_first[1:]]
