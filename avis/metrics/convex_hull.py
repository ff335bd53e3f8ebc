"""Convex hull of the error curve (ROCCH): what thresholds chosen at random between its corners can reach."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.eer import crossing
from avis.metrics.scores import ErrorRates, error_rates


def rocch_equal_error_rate(scores: ArrayLike, target: ArrayLike) -> float:
    """Return the equal error rate on the convex hull of the error curve.

    It is the highest minimum error rate over all priors: never above `avis.metrics.eer.equal_error_rate`, and never
    above 0.5, even for scores whose sign is turned. Look at the area under the curve beside it.

    Parameters
    ----------
    scores, target : array_like [trials]
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
    rates : ErrorRates
        The curve from accepting all to accepting none, in any weights.
    """
    return rates.take(hull_corners(rates.false_alarms, rates.misses))


def hull_corners(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which points are corners of the lower left convex hull, ``x`` falling and ``y`` rising ``[points]``.

    Pool-adjacent-violators finds them in linear time, whatever the shape; whole numbers then decide on points that
    rounding left on a line between their neighbours.
    """
    corners = np.flatnonzero(np.append(True, x[1:] != x[:-1]))  # above one another, only the lowest may be a corner
    end = int(np.searchsorted(y, y[-1]))
    if end > corners[-1]:
        corners = np.append(corners, end)
    if corners.size > 2:
        from scipy.optimize import isotonic_regression  # imported by who needs it: a verdict does not wait for it

        dx, dy = np.diff(-x[corners]), np.diff(y[corners])
        steps = (dx + dy).astype(np.float64)
        corners = corners[isotonic_regression(dy / steps, weights=steps).blocks]
    while corners.size > 2:
        dx, dy = np.diff(x[corners]), np.diff(y[corners])
        bends = dx[:-1] * dy[1:] < dy[:-1] * dx[1:]
        if bends.all():
            break
        corners = corners[np.concatenate(([True], bends, [True]))]
    return corners
