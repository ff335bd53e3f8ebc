"""Scores without answers take those of their trial list."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from avis import store
from avis.evaluation.answers import join_answers
from avis.evaluation.score_table import ORIGIN, ScoreTable

SCORES = ["a b 0.5", "a c 0.25", "b c 0.75"]
KEY = ["modelid\tsegmentid\ttargettype\tnoise", "b\tc\ttarget\tcar", "a\tb\ttarget\t", "a\tc\tnontarget\tcar"]


def test_answers_and_conditions_come_by_both_sides(text: Callable[..., str], tmp_path: Path):
    scores, trials = text("scores", SCORES), text("key", KEY)
    joined = join_answers(scores, trials, str(tmp_path / "out"))
    assert ScoreTable(joined).table(["test", "noise", "score"], answered=False).to_pydict() == {
        "test": ["b", "c", "c"],
        "noise": [None, "car", "car"],
        "score": [0.5, 0.25, 0.75],
    }
    assert ScoreTable(joined).table(["target"])["target"].to_pylist() == [True, False, True]
    assert store.open_manifest(joined)[ORIGIN] == {"scores": scores, "trials": trials}
    assert join_answers(scores, trials, str(tmp_path / "out")) == joined


def test_scores_of_avis_keep_what_they_say(
    stored: Callable[..., str], written: Callable[..., str], text: Callable[..., str], tmp_path: Path
):
    table = pa.table({"enroll": ["a", "a"], "test": ["b", "c"], "target": pa.nulls(2, pa.bool_()), "llr": [1.0, -1.0]})
    joined = join_answers(
        stored("blind", table, origin={"checkpoint": "x"}, cohort="10 speakers"),
        text("key", ["1 a b", "0 a c"]),
        str(tmp_path / "out"),
    )
    assert ScoreTable(joined).table(["target", "llr"]).to_pydict() == {"target": [True, False], "llr": [1.0, -1.0]}
    manifest = json.loads((Path(joined) / "manifest.json").read_text())
    assert (manifest["cohort"], manifest[ORIGIN]["checkpoint"]) == ("10 speakers", "x")
    unanswered = written("plain", table.drop_columns(["target"]))
    assert (
        ScoreTable(join_answers(unanswered, text("key", ["1 a b", "0 a c"]), str(tmp_path / "plain"))).num_trials == 2
    )


@pytest.mark.parametrize(
    ("scores", "trials", "message"),
    [
        (SCORES, ["1 a b", "0 a c"], "other trials in the trial list: got 2 trials in both, expected all of 3 and 2"),
        (["a b 1 0.5", "a c 0 0.1"], ["1 a b", "1 a c"], "other answers in the trial list: got 1 of 2"),
        (["a b 0.5"], ["a b"], "answers unknown: got 1 trials without an answer"),
        (["1 0.5"], ["1 a b"], r"columns missing: .*Add enroll, test"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    scores: list[str], trials: list[str], message: str, text: Callable[..., str], tmp_path: Path
):
    with pytest.raises(ValueError, match=message):
        join_answers(text("scores", scores), text("trials", trials), str(tmp_path / "out"))
