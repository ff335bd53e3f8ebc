"""The best names of each probe, where every probe is tried against the same names."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from avis.evaluation.best_names import best_names
from avis.evaluation.score_table import ScoreTable

TRIALS = pa.table(
    {
        "enroll": ["a1", "a2", "b1", "c1"] * 2,
        "test": ["x"] * 4 + ["y"] * 4,
        "target": pa.nulls(8, pa.bool_()),
        "enroll_speaker": ["a", "a", "b", "c"] * 2,
        "score": pa.array([0.5, 0.75, 0.25, -1.0, 0.0, -0.5, 0.125, 0.125], pa.float32()),
    }
)


def test_a_speaker_counts_with_the_best_of_theirs(written: Callable[..., str]):
    best = best_names(ScoreTable(written("x", TRIALS)), 2)
    assert best is not None
    assert best.to_pylist() == [
        {"probe": "x", "rank": 1, "name": "a", "score": 0.75, "margin": 0.5},
        {"probe": "x", "rank": 2, "name": "b", "score": 0.25, "margin": 1.25},
        {"probe": "y", "rank": 1, "name": "b", "score": 0.125, "margin": 0.0},
        {"probe": "y", "rank": 2, "name": "c", "score": 0.125, "margin": 0.125},
    ]


def test_names_are_the_enrolments_where_nobody_knows_who_they_are(written: Callable[..., str]):
    best = best_names(ScoreTable(written("x", TRIALS.drop_columns(["enroll_speaker"]))), 9)
    assert best is not None
    assert best["name"].to_pylist()[:4] == ["a2", "a1", "b1", "c1"]
    assert best["margin"].to_pylist()[3] is None


@pytest.mark.parametrize("trials", [TRIALS.slice(1, 6), TRIALS.take([0, 1, 4, 5])], ids=["not all", "one name"])
def test_nothing_is_said_where_probes_are_tried_against_different_names(trials: pa.Table, written: Callable[..., str]):
    assert best_names(ScoreTable(written("x", trials)), 5) is None
