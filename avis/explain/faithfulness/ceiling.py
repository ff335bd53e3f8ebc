"""The best that any order of a recording's segments can do: short recordings leave little to choose."""

import numpy as np
from numpy.typing import NDArray

from avis.explain.faithfulness.orders import Direction, evidence_of_subsets
from avis.explain.judge import Judge
from avis.explain.record import Order, SideName
from avis.explain.segments import MOST_SEGMENTS


def best_order(
    judge: Judge, embeddings: NDArray[np.floating], *, toward: Direction, side: SideName = "test"
) -> Order | None:
    """Return the lowest deletion and the highest insertion that orders of segments reach, each by an order of its own.

    Parameters
    ----------
    judge : Judge
    embeddings : float [segments, dim]
        Each segment's own: all their subsets are tried.
    toward, side
        See `avis.explain.faithfulness.orders.orders`.

    Returns
    -------
    Order or None
        None of one segment, or more than `avis.explain.segments.MOST_SEGMENTS`.
    """
    num = len(embeddings)
    if not 2 <= num <= MOST_SEGMENTS:
        return None
    members = np.arange(1, 2**num)[:, None] >> np.arange(num) & 1
    evidence = np.append(0.0, toward * evidence_of_subsets(judge, embeddings, members.astype(bool), side=side))
    relative = evidence - evidence[-1]
    lowest, highest = _least_area(relative, num), -_least_area(-relative, num)
    return Order(by="best", deletion=lowest, insertion=highest)


def _least_area(values: NDArray[np.float64], num: int) -> float:
    """Return the least area under a chain of subsets that lose one member at a time.

    ``values`` are by bit mask; that of all members, where the chain begins, is 0.
    """
    size = np.array([mask.bit_count() for mask in range(2**num)])
    least = np.where(size == 1, values / 2, np.inf)
    for larger in range(2, num + 1):
        masks = np.flatnonzero(size == larger)
        without = masks[:, None] & ~(1 << np.arange(num))
        below = np.where(without != masks[:, None], least[without], np.inf).min(axis=1)
        least[masks] = below + values[masks]
    return float(least[-1]) / (num - 1)
