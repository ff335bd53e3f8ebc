"""The few thresholds of a list on which its figures depend, found without following the whole curve."""

import numpy as np

from avis.metrics.convex_hull import hull_corners
from avis.metrics.scores import ErrorRates, SortedScores, tie_groups


def key_rates(ordered: SortedScores, fmrs: tuple[float, ...]) -> tuple[ErrorRates, int]:
    """Return the thresholds on which figures depend, and `avis.metrics.roc.twice_won_pairs` of the whole curve.

    Parameters
    ----------
    ordered
        A whole list. Only scores of its rarer kind are looked at one by one: the lower left corners of the curve lie at
        targets, and just above non-targets.
    fmrs
        False-match rates whose thresholds are wanted.

    Returns
    -------
    tuple
        Both ends, the corners of the convex hull, the neighbours of the equal error rate and of the false-match rates;
        and the pairs in whole numbers.
    """
    start, end, at, after = tie_groups(ordered.every, ordered.rare)
    count = end - start
    won = int(np.sum(count * (2 * (at - start) + (after - at - count))))  # by the rarer kind, ties counting once
    if ordered.rare_is_target:
        x, y, below = ordered.num_nontarget - (at - start), start, at
    else:
        won = 2 * ordered.num_target * ordered.num_nontarget - won
        x, y, below = ordered.num_nontarget - end, after - end, after
    ends = [0, ordered.every.size]
    corners = hull_corners(
        np.concatenate(([ordered.num_nontarget], x, [0])), np.concatenate(([0], y, [ordered.num_target]))
    )
    inner = corners[(corners > 0) & (corners <= below.size)] - 1
    exact = ordered.around(lambda rates: bool(rates.gap[0] >= 0))
    for fmr in fmrs:
        exact += ordered.around(lambda rates, fmr=fmr: bool(rates.fpr[0] <= fmr))  # type: ignore[misc]
    return ordered.rates_below(np.unique(np.concatenate([below[inner], exact, ends]).astype(np.int64))), won
