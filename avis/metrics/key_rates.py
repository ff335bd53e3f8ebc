"""The few thresholds of a list on which its figures depend, found without following the whole curve."""

import numpy as np

from avis.metrics.convex_hull import hull, hull_corners
from avis.metrics.scores import PIECE, ErrorRates, SortedScores
from avis.metrics.ties import tie_groups


def key_rates(ordered: SortedScores, fmrs: tuple[float, ...], *, piece_size: int = PIECE) -> tuple[ErrorRates, int]:
    """Return the thresholds on which figures depend, and `avis.metrics.roc.twice_won_pairs` of the whole curve.

    Parameters
    ----------
    ordered : SortedScores
        A whole list. It is looked at in pieces: what is no corner of a piece's convex hull is none of the whole one.
    fmrs : tuple of float
        False-match rates whose thresholds are wanted.
    piece_size : int
        How many targets are looked at at a time.

    Returns
    -------
    tuple
        Both ends, the corners of the convex hull, the neighbours of the equal error rate and of the false-match rates;
        and the pairs in whole numbers.
    """
    won = 0
    thresholds = [[min(ordered.targets[0], ordered.nontargets[0]), np.inf]]
    for piece in ordered.pieces(piece_size):
        start, end, left, right = tie_groups(piece.targets, piece.nontargets)
        won += int(np.sum((end - start) * (left + right))) + 2 * piece.nontargets_before * piece.targets.size
        corners = hull_corners(-left, start)  # lower left corners of the curve lie at targets
        thresholds.append(piece.targets[start[corners]])
    corners_of_all = hull(ordered.rates_at(np.unique(np.concatenate(thresholds)))).thresholds
    exact = ordered.around(lambda rates: bool(rates.gap[0] >= 0))
    for fmr in fmrs:
        exact += ordered.around(lambda rates, fmr=fmr: bool(rates.fpr[0] <= fmr))  # type: ignore[misc]
    return ordered.rates_at(np.union1d(corners_of_all, exact)), won
