"""By how much the evidence falls without a segment: the first black-box check, for every model.

There is no neutral way to take speech away, and the ways do not agree: `REMOVALS` has three, each of which is shown.
What is left is heard anew, so that, other than shares (`avis.explain.shares`), this says what the segment does.

References
----------
M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014 (occlusion)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise

from avis.explain.changed import Made, embed_all, falls, with_changed
from avis.explain.edits import level, noise, put, splice
from avis.explain.judge import Judge
from avis.explain.record import Removal
from avis.explain.side import Side
from avis.verifier.embedder import Embedder

Removed = list[list[dict[Removal, float]]]
"""By how much the evidence falls without each segment of each recording of a side, by way of removal."""


def removal(embedder: Embedder, judge: Judge, sides: tuple[Side, Side]) -> tuple[Removed, Removed]:
    """Remove every segment of either side in every way, but that the only segment of a recording cannot be cut out."""
    tasks = [task for number in range(2) for task in _tasks(sides[number], number)]
    embeddings = iter(embed_all(embedder, [task.make for task in tasks]))
    found = _nothing_yet(sides[0]), _nothing_yet(sides[1])
    for (side, recording), group in groupby(tasks, key=lambda task: (task.side, task.recording)):
        own = [*group]
        changed = [with_changed(sides[side], recording, next(embeddings)) for _ in own]
        for task, fall in zip(own, falls(judge, sides[side], changed).tolist(), strict=True):
            found[side][recording][task.segment][task.way] = fall
    return found


def _nothing_yet(side: Side) -> Removed:
    return [[{} for _ in heard.edges[1:]] for heard in side.heard]


@dataclass(frozen=True)
class _Task:
    side: int
    recording: int
    segment: int
    way: Removal
    make: Made


def _tasks(side: Side, number: int) -> Iterator[_Task]:
    for recording, heard in enumerate(side.heard):
        values, rate = heard.values, heard.sample_rate
        levelled = level(values, sample_rate=rate)
        for segment, (start, end) in enumerate(pairwise(heard.edges.tolist())):
            task = partial(_Task, number, recording, segment)
            if len(heard.edges) > 2:
                yield task("splice", partial(splice, values, start=start, end=end, sample_rate=rate))
            filled = partial(put, values, start=start, sample_rate=rate)
            yield task("mean", partial(filled, levelled[start:end]))
            yield task("noise", partial(filled, noise(values, start=start, end=end)))
