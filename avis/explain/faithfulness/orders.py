"""Take a recording's segments away, or give them back, in the order that an explanation sets, and watch the evidence.

If the segments that an explanation puts first carry the decision, the evidence for it falls fast as they are taken away
(deletion), and rises fast as they are given back (insertion). What is left of a recording is heard as the mean of its
segments' own embeddings, so that each is embedded once and every subset costs a comparison.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avis.explain.judge import Judge
from avis.explain.record import By, Order, SideName

Direction = Literal[1, -1]
"""Whether the decision is for one speaker or against: evidence for it is the evidence times this."""

NUM_RANDOM, SEED = 100, 0
"""Random orders that stand for chance."""


def orders(
    judge: Judge,
    embeddings: NDArray[np.floating],
    priorities: Mapping[By, NDArray[np.floating]],
    *,
    toward: Direction,
    side: SideName = "test",
) -> list[Order]:
    """Return how evidence goes along the order of each set of priorities, and along random ones.

    Parameters
    ----------
    judge : Judge
    embeddings : float [segments, dim]
        Each segment's own.
    priorities : mapping of str to float [segments]
        The highest comes first; of equal ones, chance says which.
    toward : {1, -1}
        Which decision evidence is counted for.
    side : str
        Whose segments they are.

    Returns
    -------
    list of Order
        In the order of the priorities, then chance; none of a recording of one segment.
    """
    num = len(embeddings)
    if num < 2:
        return []
    rng = np.random.default_rng(SEED)
    drawn = rng.permuted(np.tile(np.arange(num), (NUM_RANDOM, 1)), axis=1)
    among_equals = rng.permutation(num)
    named = [np.lexsort((among_equals, -np.asarray(values))) for values in priorities.values()]
    deletion, insertion = _areas(judge, embeddings, np.array([*named, *drawn]), toward=toward, side=side)
    of_named = [
        Order(by=by, deletion=down, insertion=up) for by, down, up in zip(priorities, deletion, insertion, strict=False)
    ]
    deletion, insertion = deletion[len(named) :], insertion[len(named) :]
    chance = Order(
        by="random",
        deletion=float(deletion.mean()),
        insertion=float(insertion.mean()),
        deletion_sd=float(deletion.std(ddof=1)),
        insertion_sd=float(insertion.std(ddof=1)),
    )
    return [*of_named, chance]


def _areas(
    judge: Judge, embeddings: NDArray[np.floating], order: NDArray[np.int64], *, toward: Direction, side: SideName
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas of deletion and insertion of orders ``[orders, segments]``, float64 ``[orders]`` each."""
    rank, steps = np.argsort(order, axis=1)[:, None], np.arange(order.shape[1])[:, None]
    curves = np.stack([rank >= steps, rank <= steps])
    subsets, which = np.unique(curves.reshape(-1, order.shape[1]), axis=0, return_inverse=True)
    evidence = toward * evidence_of_subsets(judge, embeddings, subsets, side=side)
    along = evidence[which.reshape(curves.shape[:-1])]
    whole = along[0, :1, :1]
    deletion, insertion = np.trapezoid(along - whole, dx=1 / (order.shape[1] - 1), axis=-1)
    return deletion, insertion


def evidence_of_subsets(
    judge: Judge, embeddings: NDArray[np.floating], subsets: NDArray[np.bool_], *, side: SideName
) -> NDArray[np.float64]:
    """Return the evidence of subsets ``[subsets, segments]`` of a side's segments, none of them empty, ``[subsets]``.

    A subset is heard as the mean of its segments' own embeddings ``[segments, dim]``.
    """
    weights = subsets / subsets.sum(axis=1, keepdims=True)
    return judge.evidence(side, weights @ np.asarray(embeddings, np.float64))
