"""Add up neighbours, so that pictures of long recordings stay small; sums of evidence are evidence."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.explain.record import Frames, Matrix

MOST_STEPS, MOST_STRETCHES = 200, 16
"""Along a recording, and along either side of a matrix."""

STEP_S = 0.5
"""Of a step along a recording, at least: of two voices in one recording, shares of half seconds told which was whose,
those of single frames did not (`pipelines/benchmark.py explain`)."""


class Step(NamedTuple):
    """A stretch of a recording, in seconds of the recording as given, and its evidence."""

    start_s: float
    end_s: float
    llr: float


def steps(frames: Frames) -> list[Step]:
    """Return the shares along a recording in at most `MOST_STEPS` steps of `STEP_S` or more.

    Each is of as many of the record's, but the last.
    """
    num = len(frames.llr)
    if not num:
        return []
    size = max(-(-num // MOST_STEPS), round(STEP_S / float(np.median(np.diff(frames.start_s)))))
    edges = np.arange(0, num, size)
    sums = np.add.reduceat(frames.llr, edges)
    ends = [*edges[1:], num]
    return [
        Step(frames.start_s[start], frames.start_s[end], float(llr))
        for start, end, llr in zip(edges, ends, sums, strict=True)
    ]


def merged(matrix: Matrix) -> Matrix:
    """Return a matrix of at most `MOST_STRETCHES` rows and columns, but one of each recording at least."""
    enroll, enroll_recording, rows = _groups(matrix.enroll, matrix.enroll_recording)
    test, test_recording, columns = _groups(matrix.test, matrix.test_recording)
    values = np.asarray(matrix.values, np.float64).reshape(len(matrix.enroll), len(matrix.test))
    values = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return matrix.model_copy(
        update={
            "enroll": enroll,
            "test": test,
            "enroll_recording": enroll_recording,
            "test_recording": test_recording,
            "values": values.tolist(),
        }
    )


def _groups(
    spans: list[tuple[float, float]], recordings: list[int]
) -> tuple[list[tuple[float, float]], list[int], NDArray[np.int64]]:
    """Return stretches, their recordings, and of which stretch on each is."""
    size = -(-len(spans) // MOST_STRETCHES)
    while True:
        firsts = [first for each in _runs(recordings) for first in range(each.start, each.stop, size)]
        if len(firsts) <= max(MOST_STRETCHES, len(set(recordings))):
            break
        size += 1
    ends = [*firsts[1:], len(spans)]
    merged_spans = [(spans[first][0], spans[end - 1][1]) for first, end in zip(firsts, ends, strict=True)]
    return merged_spans, [recordings[first] for first in firsts], np.array(firsts, np.int64)


def _runs(recordings: list[int]) -> list[range]:
    starts = [place for place, each in enumerate(recordings) if place == 0 or each != recordings[place - 1]]
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(recordings)], strict=True)]
