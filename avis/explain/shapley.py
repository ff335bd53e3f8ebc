"""Shapley values of segments: what each adds to the evidence, over all orders in which they may be heard.

A few segments of a recording are worth the evidence with the mean of their own embeddings in its place, each of which
is made once: all subsets of 12 are 4,096 means. That is another scorer than the one that decides, for which segments
are heard together. Where none is heard, the recording is: levelled to its mean spectrum (`avis.explain.edits.level`),
from which nobody speaks any more; it is no silence.

References
----------
L. Shapley, "A value for n-person games", 1953
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avis.explain.changed import Made, embed_all, with_changed
from avis.explain.edits import level
from avis.explain.heard import Heard
from avis.explain.judge import Judge
from avis.explain.segments import MOST_SEGMENTS
from avis.explain.side import Side
from avis.verifier.embedder import Embedder


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapley:
    """What each segment of a recording adds.

    Attributes
    ----------
    segments : float64 [segments]
        Adds up to ``everything - nothing``.
    everything : float
        Evidence with the mean of all segments' embeddings.
    nothing : float
        Evidence with the levelled recording's.
    """

    segments: NDArray[np.float64]
    everything: float
    nothing: float


def shapley(embedder: Embedder, judge: Judge, sides: tuple[Side, Side]) -> tuple[list[Shapley], list[Shapley]]:
    """Return the Shapley values of the segments of either side's recordings, all others being as they are.

    Segments are embedded as they are: `avis.explain.segments.cut` makes none of less than 0.4 s, unless it is all that
    there is.
    """
    embeddings = iter(embed_all(embedder, [make for side in sides for heard in side.heard for make in _makers(heard)]))
    enroll, test = (
        [_of_recording(judge, side, recording, embeddings) for recording in range(len(side.heard))] for side in sides
    )
    return enroll, test


def _makers(heard: Heard) -> list[Made]:
    """Return what makes the levelled recording, and what makes each segment."""
    parts = [partial(heard.values.__getitem__, slice(*each)) for each in pairwise(heard.edges)]
    return [partial(level, heard.values, sample_rate=heard.sample_rate), *parts]


def _of_recording(judge: Judge, side: Side, recording: int, embeddings: Iterator[NDArray[np.float64]]) -> Shapley:
    nothing = next(embeddings)
    segments = np.stack([next(embeddings) for _ in side.heard[recording].edges[1:]])
    members = subsets(len(segments))[1:]
    heard = np.concatenate([nothing[None], members @ segments / members.sum(axis=1, keepdims=True)])
    worths = judge.evidence(side.name, with_changed(side, recording, heard))
    return Shapley(segments=shapley_values(worths), everything=float(worths[-1]), nothing=float(worths[0]))


def subsets(num: int) -> NDArray[np.float64]:
    """Return which of ``num`` players are in each subset, ``[2 ** num, num]`` of 0 and 1: player k at bit k.

    >>> subsets(2).tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    assert num <= MOST_SEGMENTS, f"expected at most {MOST_SEGMENTS} segments, got {num}"
    return (np.arange(1 << num)[:, None] >> np.arange(num) & 1).astype(np.float64)


def shapley_values(worths: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return each player's Shapley value, exact: what it adds to a subset, on average over sizes, then subsets.

    Parameters
    ----------
    worths : float [2 ** players]
        Of each subset, in the order of `subsets`.

    Returns
    -------
    float64 [players]

    Examples
    --------
    >>> shapley_values(np.array([0.0, 1.0, 3.0, 10.0])).tolist()
    [4.0, 6.0]
    """
    num = int(math.log2(len(worths)))
    subset = np.arange(len(worths))
    sizes = subsets(num).sum(axis=1).astype(int)
    weights = np.array([1 / num / math.comb(num - 1, size) for size in range(num)])
    values = np.zeros(num)
    for player in range(num):
        without = subset[subset >> player & 1 == 0]
        values[player] = weights[sizes[without]] @ (worths[without | 1 << player] - worths[without])
    return values
