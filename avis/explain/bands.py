"""By how much the evidence falls without what changes in a band of frequencies."""

from functools import partial
from itertools import pairwise

import numpy as np

from avis.explain.changed import Made, embed_all, falls
from avis.explain.edits import level
from avis.explain.judge import Judge
from avis.explain.record import Band
from avis.explain.side import Side
from avis.verifier.embedder import Embedder

EDGES_HZ = (0, 300, 700, 1200, 2000, 3000, 4000, 6000, 8000)


def bands(embedder: Embedder, judge: Judge, sides: tuple[Side, Side]) -> list[Band]:
    """Level every band of all of a side's recordings to its mean over time, one side after the other.

    There are those of `EDGES_HZ` that begin below half of the sample rate, where the last one ends. See
    `avis.explain.edits.level`.
    """
    rate = embedder.hearing.sample_rate
    spans = [(float(low), min(float(high), rate / 2)) for low, high in pairwise(EDGES_HZ) if low < rate / 2]
    makers: list[Made] = [
        partial(level, heard.values, sample_rate=rate, low_hz=low, high_hz=high)
        for side in sides
        for low, high in spans
        for heard in side.heard
    ]
    embeddings = iter(embed_all(embedder, makers))
    found = []
    for side in (each for each in sides if each.heard):
        changed = [np.mean([next(embeddings) for _ in side.heard], axis=0) for _ in spans]
        for (low, high), fall in zip(spans, falls(judge, side, changed).tolist(), strict=True):
            found.append(Band(side=side.name, low_hz=low, high_hz=high, removed=fall))
    return found
