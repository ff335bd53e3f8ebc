"""Convex hull of the error curve (ROCCH): what thresholds chosen at random between its corners can reach."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.eer import crossing
from avis.metrics.scores import ErrorRates, error_rates

_LEAST_PROGRESS = 16


def rocch_equal_error_rate(scores: ArrayLike, target: ArrayLike) -> float:
    """Return the equal error rate on the convex hull of the error curve.

    It is the highest minimum error rate over all priors: never above `avis.metrics.eer.equal_error_rate`, and never
    above 0.5, even for scores whose sign is turned. Look at the area under the curve beside it.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Brümmer and de Villiers, "The BOSARIS Toolkit User Guide", 2011, section 3 (ROC convex hull).

    Examples
    --------
    >>> rocch_equal_error_rate([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0])
    0.125
    """
    return crossing(hull(error_rates(scores, target)))[0]


def hull(rates: ErrorRates) -> ErrorRates:
    """Return the corners of the curve's lower left convex hull.

    The lowest cost at any prior is that of a corner, and between two corners pool-adjacent-violators gives all scores
    one log-likelihood ratio. So minimum costs, the ROCCH equal error rate and minCllr all follow from the corners.

    Parameters
    ----------
    rates
        A curve from accepting all to accepting none, in any weights.
    """
    return rates.take(hull_corners(rates.false_alarms, rates.misses))


def hull_corners(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which points are corners of the lower left convex hull, ``x`` falling and ``y`` rising ``[points]``."""
    kept = np.flatnonzero(np.concatenate(([True], (x[1:] != x[:-1]) | (y[1:] != y[:-1]))))
    while kept.size > 2:
        px, py = x[kept], y[kept]
        dx, dy = px[1:] - px[:-1], py[1:] - py[:-1]
        bends = dx[:-1] * dy[1:] < dy[:-1] * dx[1:]  # a point on or above the line between its neighbours is no corner
        dropped = bends.size - np.count_nonzero(bends)
        if not dropped:
            break
        kept = kept[np.concatenate(([True], bends, [True]))]
        if dropped * _LEAST_PROGRESS < bends.size:
            kept = kept[_chain(x[kept].tolist(), y[kept].tolist())]
            break
    return kept


def _chain(x: list[int], y: list[int]) -> NDArray[np.int64]:
    """Return the corners by Andrew's monotone chain: linear time, whatever the shape."""
    corners: list[int] = []
    for i in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2], corners[-1]
            if (x[b] - x[a]) * (y[i] - y[b]) < (y[b] - y[a]) * (x[i] - x[b]):
                break
            corners.pop()
        corners.append(i)
    return np.array(corners)
