"""The few thresholds of a list on which its figures depend, found without following the whole curve."""

import numpy as np
from numpy.typing import NDArray

from avis.metrics.convex_hull import hull
from avis.metrics.scores import ErrorRates, SortedScores, tie_groups

_BLOCK = 128


def key_rates(ordered: SortedScores, fmrs: tuple[float, ...]) -> tuple[ErrorRates, int]:
    """Return the thresholds on which figures depend, and `avis.metrics.roc.twice_won_pairs` of the whole curve.

    Parameters
    ----------
    ordered
        A whole list.
    fmrs
        False-match rates whose thresholds are wanted.

    Returns
    -------
    tuple
        The corners of the convex hull, the neighbours of the equal error rate and of the false-match rates; and the
        pairs in whole numbers.
    """
    start, end, at, after = tie_groups(ordered.every, ordered.rare)
    count = end - start
    won = int(np.sum(count * (2 * (at - start) + (after - at - count))))  # by the rarer kind, ties counting once
    if not ordered.rare_is_target:
        won = 2 * ordered.num_target * ordered.num_nontarget - won
    corners = _hull(ordered, at if ordered.rare_is_target else after)
    exact = ordered.around(lambda rates: bool(rates.gap[0] >= 0))
    for fmr in fmrs:
        exact += ordered.around(lambda rates, fmr=fmr: bool(rates.fpr[0] <= fmr))  # type: ignore[misc]
    return ordered.rates_below(np.union1d(corners, exact)), won


def _hull(ordered: SortedScores, below: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the corners of the hull, as numbers of scores below, given all lower left corners of the curve.

    The hull of every 128th corner lies nowhere below the one wanted. Of the corners between two of these none is lower
    than the first or further left than the second; where even that place is above the rough hull, none of them counts.
    """
    below = np.concatenate(([0], below[(below > 0) & (below < ordered.every.size)], [ordered.every.size]))
    coarse = np.unique(np.append(np.arange(0, below.size, _BLOCK), below.size - 1))
    rough = ordered.rates_below(below[coarse])
    corners = hull(rough)
    height = np.interp(rough.false_alarms[1:], corners.false_alarms[::-1], corners.misses[::-1])
    near = coarse[:-1][rough.misses[:-1] <= height + 0.5]
    inside = np.minimum((near[:, None] + np.arange(1, _BLOCK)).ravel(), below.size - 1)
    candidates = np.unique(np.concatenate([below[coarse], below[inside]]))
    rates = ordered.rates_below(candidates)
    return candidates[np.searchsorted(rates.thresholds, hull(rates).thresholds)]
