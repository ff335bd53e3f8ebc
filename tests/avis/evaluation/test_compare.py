"""Comparing runs: what is on the page, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis.evaluation.compare import compare
from avis.evaluation.evaluate import evaluate
from avis.evaluation.identification import Identification
from avis.evaluation.settings import Evaluation

EVALUATION = Evaluation(
    seed=0,
    bootstrap_draws=40,
    confidence=0.9,
    operating_points={},
    fmrs=[0.1],
    subgroups=[],
    fairness_min_trials=1,
    identification=Identification(ranks=[], false_alarm_rates=[]),
    trials_in_memory=2000,
)


def scores(path: Path, distance: float, *, drop: tuple[str, ...] = (), rows: int = 10_000) -> str:
    speakers = np.repeat(np.arange(8), 3)
    enroll, test = np.triu_indices(24, k=1)
    target = speakers[enroll] == speakers[test]
    order = np.random.default_rng(int(distance)).permutation(target.size)[:rows]
    table = pa.table(
        {
            "enroll": [f"u{one}" for one in enroll],
            "test": [f"u{one}" for one in test],
            "target": target,
            "enroll_speaker": speakers[enroll],
            "test_speaker": speakers[test],
            "score": np.random.default_rng(7).normal(distance * target),
        }
    )
    pq.write_table(table.take(order).drop_columns(list(drop)), path)
    return str(path)


def run(outputs: Path, name: str, distance: float, *, settings: dict[str, Any] | None = None, **changes: Any) -> None:
    folder = outputs / "runs" / name
    folder.mkdir(parents=True)
    evaluate({"dev": scores(folder / "dev.parquet", distance, **changes)}, str(folder), facts={}, evaluation=EVALUATION)
    if settings is not None:
        (folder / "config.json").write_text(json.dumps({"run": name, **settings}))


def compared(outputs: Path, *runs: str) -> str:
    path = compare(runs, str(outputs), evaluation=EVALUATION)
    assert path == str(outputs / "compared" / "_vs_".join(runs) / "compare.html")
    return Path(path).read_text()


@pytest.mark.slow
def test_runs_are_compared_trial_by_trial_whatever_their_order(tmp_path: Path):
    run(tmp_path, "one", 1.0, settings={"seed": 0, "model": {"channels": 16, "dim": 8}})
    run(tmp_path, "two", 5.0, settings={"seed": 0, "model": {"channels": 32, "dim": 8}, "extra": [1]})
    text = compared(tmp_path, "one", "two")
    assert "lower than that of one, more than chance explains" in text
    assert "<img" in text
    for expected in ("model.channels", "32", "extra", "[1]"):
        assert expected in text
    for same in ("model.dim", ">seed<", ">run<"):
        assert same not in text


@pytest.mark.slow
def test_a_run_that_can_move_is_still_found(tmp_path: Path):
    run(tmp_path, "one", 1.0)
    run(tmp_path, "two", 2.0)
    (tmp_path / "runs" / "two").rename(tmp_path / "moved")
    path = compare(["one", str(tmp_path / "moved")], str(tmp_path), evaluation=EVALUATION)
    assert path.endswith("one_vs_moved/compare.html")


@pytest.mark.slow
def test_what_cannot_be_compared_is_said(tmp_path: Path):
    run(tmp_path, "one", 1.0)
    run(tmp_path, "fewer", 2.0, rows=200)
    run(tmp_path, "unnamed", 2.0, drop=("enroll", "test"))
    text = compared(tmp_path, "one", "fewer", "unnamed")
    assert "fewer: other trials in the baseline: got 200 trials in both" in text
    assert f"At {tmp_path}/runs/one/dev.parquet." in text
    assert "unnamed: the scores do not say which trial is which" in text
    run(tmp_path, "nobody", 2.0, drop=("enroll_speaker", "test_speaker"))
    run(tmp_path, "nobody_else", 3.0, drop=("enroll_speaker", "test_speaker"))
    text = compared(tmp_path, "nobody", "nobody_else")
    assert "whether that is chance is not known" in text
    assert "nobody_else: no interval" in text


def test_what_makes_no_sense_is_refused(tmp_path: Path):
    run(tmp_path, "one", 1.0)
    with pytest.raises(ValueError, match=f"run not evaluated: got nothing.* At {tmp_path}/runs/nothing"):
        compared(tmp_path, "one", "nothing")
    for runs in (["one"], ["one", "one"]):
        with pytest.raises(ValueError, match="a comparison needs several runs"):
            compared(tmp_path, *runs)
    other = tmp_path / "runs" / "other"
    other.mkdir()
    evaluate({"x": scores(other / "x.parquet", 1.0)}, str(other), facts={}, evaluation=EVALUATION)
    with pytest.raises(ValueError, match="no trial list in common: got dev; x"):
        compared(tmp_path, "one", "other")


@pytest.mark.slow
def test_p_values_are_adjusted_for_the_number_of_runs(tmp_path: Path):
    for name, distance in (("one", 1.0), ("two", 2.0), ("three", 3.0)):
        run(tmp_path, name, distance)
    text, alone = compared(tmp_path, "one", "two", "three"), compared(tmp_path, "one", "three")
    # No draw of 40 has another sign: 2 / 41, and two comparisons at once count double.
    assert "p = 0.049" in alone
    assert "Holm" not in alone
    assert text.count("p = 0.098") == 2
    assert "p = 0.049" not in text
    assert "adjusted for 2 runs being compared with one (Holm)" in text


@pytest.mark.slow
def test_too_few_draws_for_so_many_runs_are_said(tmp_path: Path):
    names = ["one", "two", "three", "four"]
    for name in names:
        run(tmp_path, name, 2.0)
    assert "No difference could come out" not in compared(tmp_path, *names[:3])  # 2 * 2 / 41 < 0.1
    assert "bootstrap_draws=40 are too few for 3 comparisons" in compared(tmp_path, *names)


def test_other_answers_are_said_with_their_file(tmp_path: Path):
    run(tmp_path, "one", 1.0)
    run(tmp_path, "two", 2.0)
    path = tmp_path / "runs" / "two" / "dev.parquet"
    table = pq.read_table(path)
    turned = [not target if row < 3 else target for row, target in enumerate(table["target"].to_pylist())]
    pq.write_table(table.set_column(table.column_names.index("target"), "target", pa.array(turned)), path)
    text = compared(tmp_path, "one", "two")
    assert "two: other answers in the baseline: got 3 of 276 trials" in text
    assert f"At {tmp_path}/runs/one/dev.parquet." in text
