"""Receiver operating characteristic: area under the curve, and accuracy at one threshold."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.scores import ErrorRates, ceiling, check, error_rates


def area_under_curve(scores: ArrayLike, target: ArrayLike) -> float:
    """Return how often a target trial outscores a non-target one, equal scores counting half.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.

    Returns
    -------
    float
        Share between 0 and 1; 0.5 for scores that say nothing, below 0.5 if their sign is turned.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> area_under_curve([2, 1, 1], [True, True, False])
    0.75
    """
    return area(error_rates(scores, target))


def area(rates: ErrorRates) -> float:
    """Return the area under the curve of ``rates`` by the trapezoid rule, summed in whole numbers."""
    return twice_won_pairs(rates) / (2 * rates.num_target * rates.num_nontarget)


def twice_won_pairs(rates: ErrorRates) -> int:
    """Return the number of pairs in which the target outscores the non-target, equal scores counting half, times 2."""
    rejected = rates.false_alarms[:-1] - rates.false_alarms[1:]
    accepted = rates.num_target - rates.misses
    return int(np.sum(rejected * (accepted[:-1] + accepted[1:])))


def accuracy(scores: ArrayLike, target: ArrayLike, threshold: float) -> float:
    """Return the share of trials decided correctly when ``score >= threshold`` accepts.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.
    threshold : float
        Lowest accepted score.

    Returns
    -------
    float
        Share between 0 and 1. It depends on the mix of target and non-target trials.

    Raises
    ------
    ValueError
        If the threshold is NaN, or see `avis.metrics.scores.check`.

    Examples
    --------
    >>> accuracy([2, 1, 0, 0], [True, True, True, False], threshold=1)
    0.75
    """
    values, is_target = check(scores, target)
    if np.isnan(threshold):
        raise ValueError("The threshold must be a number: got threshold=nan, expected a score.")
    lowest = ceiling(np.array([threshold], dtype=np.float64), values.dtype)[0]
    return float(np.mean((values >= lowest) == is_target))
