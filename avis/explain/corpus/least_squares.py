"""Least squares over trials, which share speakers on both of their sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from avis.scoring.speaker_covariance import speaker_covariance

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Weights that fit best, and how far they would have come out otherwise with other speakers.

    Attributes
    ----------
    weights, errors : float64 [columns]
        And their standard errors, by `avis.scoring.speaker_covariance.speaker_covariance`.
    explained : float
        Share of the variance, from 0 to 1.
    num_trials, num_speakers : int
    """

    weights: NDArray[np.float64]
    errors: NDArray[np.float64]
    explained: float
    num_trials: int
    num_speakers: int

    @property
    def intervals(self) -> NDArray[np.float64]:
        """Where the weights lie at `CONFIDENCE`, by Student's t of a degree of freedom less than speakers."""
        reach = stats.t.ppf((1 + CONFIDENCE) / 2, self.num_speakers - 1) * self.errors
        return np.stack([self.weights - reach, self.weights + reach], axis=1)

    @property
    def p_values(self) -> NDArray[np.float64]:
        """How probable weights as far from zero would be if there were none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2 * stats.t.sf(np.abs(self.weights / self.errors), self.num_speakers - 1)


def least_squares(design: NDArray[np.floating], values: NDArray[np.floating], speakers: NDArray[np.integer]) -> Fit:
    """Fit values ``[trials]`` by weighted columns of a design ``[trials, columns]`` of full rank.

    Parameters
    ----------
    design : float [trials, columns]
    values : float [trials]
    speakers : int [trials, 2]
        Numbers of the speakers of both sides, two at least.

    Examples
    --------
    A mean of three values, each its own speaker's:

    >>> fit = least_squares(np.ones((3, 1)), np.array([1.0, 2.0, 6.0]), np.array([[0, 0], [1, 1], [2, 2]]))
    >>> fit.weights.round(3).tolist(), fit.errors.round(3).tolist()
    ([3.0], [1.528])
    """
    scale = np.sqrt(np.mean(np.square(design), axis=0))  # so that inverting is exact whatever the units
    scaled = design / scale
    weights = np.linalg.lstsq(scaled, values, rcond=None)[0]
    left = values - scaled @ weights
    covariance = speaker_covariance(-scaled * left[:, None], scaled.T @ scaled, speakers)
    spread = float(np.sum(np.square(values - np.mean(values))))
    return Fit(
        weights=weights / scale,
        errors=np.sqrt(np.diag(covariance)) / scale,
        explained=1.0 - float(left @ left) / spread if spread else 0.0,
        num_trials=len(values),
        num_speakers=len(np.unique(speakers)),
    )
