"""Receiver operating characteristic: area under the curve, and accuracy at one threshold."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.scores import ErrorRates, check, error_rates


def area_under_curve(scores: ArrayLike, target: ArrayLike) -> float:
    """Return how often a target trial outscores a non-target one, equal scores counting half.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.

    Returns
    -------
    float
        Between 0 and 1; 0.5 for scores that say nothing, below 0.5 if their sign is turned.

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
    """Return the area under the curve of ``rates`` by the trapezoid rule; see `area_under_curve`."""
    true_positive = 1.0 - rates.fnr
    return float(np.sum((rates.fpr[:-1] - rates.fpr[1:]) * (true_positive[:-1] + true_positive[1:])) / 2.0)


def accuracy(scores: ArrayLike, target: ArrayLike, threshold: float) -> float:
    """Return the share of trials decided correctly when ``score >= threshold`` accepts.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.
    threshold
        Lowest accepted score.

    Returns
    -------
    float
        Between 0 and 1. It depends on the mix of target and non-target trials.

    Raises
    ------
    ValueError
        If the threshold is NaN, or see `avis.metrics.scores.check`.

    Examples
    --------
    >>> accuracy([2, 1, 0, 0], [True, True, True, False], threshold=1)
    0.75
    """
    values, known = check(scores, target)
    if np.isnan(threshold):
        raise ValueError("The threshold must be a number: got threshold=nan, expected a score.")
    return float(np.mean((values >= threshold) == known))
