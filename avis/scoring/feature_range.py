"""Which recordings a calibration knows of: from where to where the quality features of its trials go."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.1
"""A tenth: how far features may lie beyond the range before it counts. Speech is measured no more exactly than that
(the beginning of a recording by itself may be found a tenth shorter). Durations and magnitudes are logarithms, in which
a tenth is a distance; of a mean of cohort scores it is a tenth of the range."""


def feature_names(measures: Sequence[str]) -> list[str]:
    """Return the names of `avis.scoring.calibration.quality_features`, in their order.

    >>> feature_names(["duration", "magnitude"])
    ['duration_lower', 'magnitude_lower', 'duration_distance', 'magnitude_distance']
    """
    return [f"{measure}_{kind}" for kind in ("lower", "distance") for measure in measures]


class FeatureRange(NamedTuple):
    """The lowest and highest of each quality feature among the trials that a calibration was fitted on.

    Attributes
    ----------
    names : list of str
        See `feature_names`.
    lowest, highest : float [features]
    """

    names: list[str]
    lowest: NDArray[np.floating]
    highest: NDArray[np.floating]

    def outside(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which of features ``[trials, features]`` lie beyond the range by more than `MARGIN`.

        Examples
        --------
        Beside trials with 1 to 6 s of speech there are one with 0.95 s against 2 s, one with 0.6 s, and one of 2 s
        against 20 s, which is ten times as much:

        >>> seen = FeatureRange(feature_names(["duration"]), np.log([1.0, 1.0]), np.log([6.0, 6.0]))
        >>> seen.outside(np.log([[0.95, 2 / 0.95], [0.6, 2 / 0.6], [2.0, 10.0]]))
        array([[False, False],
               [ True, False],
               [False,  True]])
        """
        is_cohort = np.array([name.startswith("cohort_mean") for name in self.names], bool)
        margin = MARGIN * np.where(is_cohort, self.highest - self.lowest, 1.0)
        return np.asarray((features < self.lowest - margin) | (features > self.highest + margin))

    def unknown(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell of which of features ``[trials, features]`` nothing is known: all `outside` but of more speech.

        More speech on a side, be it on one alone, makes no evidence poorer.
        """
        return self.outside(features) & ~(self._is_duration & (features > self.highest))

    def held(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return features ``[trials, features]`` with no more speech than there was among the trials."""
        return np.where(self._is_duration, np.minimum(features, self.highest), features)

    @property
    def _is_duration(self) -> NDArray[np.bool_]:
        return np.array([name.startswith("duration") for name in self.names], bool)
