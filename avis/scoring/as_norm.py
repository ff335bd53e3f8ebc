"""AS-norm: of the cohort only the nearest speakers count, in both published ways to choose them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avis.scoring.backend import Backend
from avis.scoring.score_norm import ScoreNorm, mean_of_standard, top_statistics


class AsNorm(ScoreNorm):
    """Normalise each side by its own ``top_n`` highest cohort scores (S-norm1 with an adaptive cohort).

    Parameters
    ----------
    backend : Backend
        Makes the scores that are normalised.
    top_n : int
        Cohort members that count on each side; all of them where there are fewer.
    cohort : {"speakers", "utterances"}
        See `avis.scoring.score_norm.ScoreNorm`. The default is for older checkpoints, which do not name it.

    References
    ----------
    Matejka et al., "Analysis of Score Normalization in Multilingual Speaker Recognition", 2017, section 2.4. Cohort of
    speaker means, centred with everything else, and population deviation as in wespeaker (``tools/vector_mean.py``,
    ``wespeaker/bin/score_norm.py``).
    """

    def __init__(self, *, backend: Backend, top_n: int, cohort: Literal["speakers", "utterances"] = "speakers") -> None:
        if top_n < 2:
            raise ValueError(
                f"A deviation needs two scores: got top_n={top_n}, expected at least 2. At scoring.backend.top_n. "
                "Raise it."
            )
        super().__init__(backend=backend, cohort=cohort)
        self.top_n: int = top_n


class AsNorm2(AsNorm):
    """Normalise each side by its scores against the ``top_n`` cohort members nearest to the *other* side (S-norm2).

    An utterance keeps its scores against the whole cohort, which takes a row of that length in memory and on disk.

    References
    ----------
    See `AsNorm`.
    """

    @property
    def _num_statistics(self) -> int:
        assert self._cohort is not None, "fit or restore the back-end first"
        return len(self._cohort) + self._num_nearest

    @property
    def _num_nearest(self) -> int:
        assert self._cohort is not None, "fit or restore the back-end first"
        return min(self.top_n, len(self._cohort))

    def statistics(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return cohort scores ``[utterances, cohort]`` and, behind them, which of them are highest."""
        num = min(self.top_n, scores.shape[1])
        return np.hstack([scores, np.argpartition(scores, -num, axis=1)[:, -num:]])

    def held_normalization(
        self, enroll: NDArray[np.float32], test: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and shift by each side's scores against the nearest to the other, float64 ``[trials]``."""
        both = [self._cohort_scores(enroll), self._cohort_scores(test)]
        return mean_of_standard(
            [
                top_statistics(np.take_along_axis(cohort_scores, nearest_to_other, axis=1), None)
                for (cohort_scores, _), (_, nearest_to_other) in (both, both[::-1])
            ]
        )

    def cohort_mean(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of each utterance's own highest cohort scores, float32 ``[utterances]``."""
        return np.take_along_axis(*self._cohort_scores(vectors), axis=1).mean(axis=1)

    def _cohort_scores(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the cohort scores ``[utterances, cohort]`` of rows of `transform`, and which of them are highest."""
        statistics = vectors[:, -self._num_statistics :]
        num_scores = statistics.shape[1] - self._num_nearest
        return statistics[:, :num_scores], statistics[:, num_scores:].astype(np.int64)
