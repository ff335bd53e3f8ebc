"""Neighbours added up: few enough, in place, and nothing lost."""

import itertools

import numpy as np
import pytest

from avis.explain.page.merging import MOST_STEPS, MOST_STRETCHES, merged, steps
from avis.explain.record import Frames, Matrix


def frames(num: int, step_s: float = 0.5) -> Frames:
    return Frames(side="test", start_s=(step_s * np.arange(num + 1)).tolist(), llr=np.arange(1.0, num + 1).tolist())


def matrix(rows: int, columns: int, recordings: list[int] | None = None) -> Matrix:
    values = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    return Matrix(
        enroll=[(float(n), n + 2.0) for n in range(rows)],
        test=[(float(n), n + 1.0) for n in range(columns)],
        enroll_recording=recordings or [0] * rows,
        test_recording=[0] * columns,
        values=values.tolist(),
        total=float(values.sum()),
        rest=0.0,
    )


def test_few_steps_stay_as_they_are() -> None:
    assert [(step.start_s, step.llr) for step in steps(frames(2))] == [(0.0, 1.0), (0.5, 2.0)]
    assert steps(Frames(side="test", start_s=[0.0], llr=[])) == []


def test_short_steps_are_added_up_to_half_a_second() -> None:
    assert [(step.start_s, step.end_s, step.llr) for step in steps(frames(7, step_s=0.1))] == [
        (0.0, pytest.approx(0.5), 1.0 + 2 + 3 + 4 + 5),
        (pytest.approx(0.5), pytest.approx(0.7), 6.0 + 7),
    ]


@pytest.mark.parametrize("num", [1, 199, 200, 201, 600, 601])
def test_steps_are_few_and_keep_the_sum(num) -> None:
    found = steps(frames(num))
    assert len(found) <= MOST_STEPS
    assert sum(step.llr for step in found) == pytest.approx(num * (num + 1) / 2)
    assert (found[0].start_s, found[-1].end_s) == pytest.approx((0.0, 0.5 * num))
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(found))


def test_two_by_two_by_hand() -> None:
    found = merged(matrix(2, 2 * MOST_STRETCHES))
    assert found.test[:2] == [(0.0, 2.0), (2.0, 4.0)]
    assert found.values[0][:2] == [0.0 + 1.0, 2.0 + 3.0]
    assert found.enroll == [(0.0, 2.0), (1.0, 3.0)]


@pytest.mark.parametrize(("rows", "recordings"), [(16, None), (36, None), (36, [0] * 17 + [1] * 2 + [2] * 17)])
def test_a_matrix_keeps_its_sums_and_never_adds_across_recordings(rows, recordings) -> None:
    whole = matrix(rows, 40, recordings)
    found = merged(whole)
    assert max(len(found.enroll), len(found.test)) <= MOST_STRETCHES
    assert np.sum(found.values) == pytest.approx(np.sum(whole.values))
    for number in set(whole.enroll_recording):
        own = np.sum(np.asarray(whole.values)[np.array(whole.enroll_recording) == number])
        assert np.sum(np.asarray(found.values)[np.array(found.enroll_recording) == number]) == pytest.approx(own)


def test_each_recording_has_a_row_however_many_there_are() -> None:
    found = merged(matrix(60, 2, [n // 3 for n in range(60)]))
    assert found.enroll_recording == list(range(20))
