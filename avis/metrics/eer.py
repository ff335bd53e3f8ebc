"""Equal error rate: where misses and false alarms are equally frequent."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.scores import ErrorRates, error_rates


def equal_error_rate(scores: ArrayLike, target: ArrayLike) -> tuple[float, float]:
    """Return the equal error rate and the score at which it is reached.

    The piecewise-linear curve through all (false-alarm rate, miss rate) points is cut with the diagonal. This is the
    figure that ``sklearn.metrics.roc_curve`` followed by root finding gives, without depending on the order of ties.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.

    Returns
    -------
    tuple of float
        Equal error rate as a fraction, and the threshold (accept if ``score >= threshold``), always finite.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> equal_error_rate([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0])
    (0.25, 0.5)
    """
    return crossing(error_rates(scores, target))


def crossing(rates: ErrorRates) -> tuple[float, float]:
    """Return rate and threshold where the curve of ``rates`` crosses the diagonal; see `equal_error_rate`.

    The miss rate minus the false-alarm rate rises from -1 to 1 along the thresholds. Between the two thresholds where
    it changes its sign both rate and threshold are interpolated; beyond the highest score, where the next threshold is
    infinite, the threshold is the highest score.
    """
    gap = rates.gap
    above = int(np.searchsorted(gap, 0))
    below = above - 1
    assert below >= 0, "the lowest threshold accepts every trial, so its gap is -1"
    weight = float(gap[below] / (gap[below] - gap[above]))
    fnr = rates.misses[below : above + 1] / rates.num_target
    rate = (1.0 - weight) * fnr[0] + weight * fnr[1]
    if np.isinf(rates.thresholds[above]):
        return float(rate), float(rates.thresholds[below])
    return float(rate), float((1.0 - weight) * rates.thresholds[below] + weight * rates.thresholds[above])
