"""Evaluating: metrics.json as promised, from any kind of scores, or a clear error."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from avis import store
from avis.engine.evaluate import evaluate, read_scores, show

SCORES = [3.0, 2.0, 1.0, -0.5, 0.5, -1.0, -2.0, -3.0]
TARGET = [True, True, True, True, False, False, False, False]
KEYS = {"eer", "eer_threshold", "min_dcf", "auc", "accuracy", "num_target", "num_nontarget"}


def text(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def as_store(path: Path) -> str:
    table = pa.table(
        {"enroll": ["a"] * 8, "test": ["b"] * 8, "target": TARGET, "score": pa.array(SCORES, pa.float32())}
    )
    for part, start in (("part-00000", 0), ("part-00001", 5)):
        store.commit_part(str(path), part, {"scores": table.slice(start, 5 - start or 3)}, row_group_rows=10)
    store.finish(str(path), parts=[], inputs="abc", facts={})
    return str(path)


def as_parquet(path: Path) -> str:
    pq.write_table(pa.table({"score": SCORES, "target": TARGET}), path)
    return str(path)


def as_text(path: Path) -> str:
    words = {True: ["1", "target"], False: ["0", "nontarget"]}
    lines = [f"{words[answer][i % 2]}\t {score}" for i, (answer, score) in enumerate(zip(TARGET, SCORES, strict=True))]
    return text(path, [*lines, ""])


@pytest.mark.parametrize("form", [as_store, as_parquet, as_text])
def test_metrics_are_the_promised_figures(tmp_path: Path, form, capsys: pytest.CaptureFixture[str]):
    uri = form(tmp_path / "scores")
    result = evaluate({"vox1_o": uri}, str(tmp_path / "out"), facts={"run": "r1"})
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert result["metrics"] == metrics
    assert set(metrics) == {"vox1_o"}
    found = metrics["vox1_o"]
    assert set(found) == KEYS
    assert set(found["min_dcf"]) == {"0.01", "0.05"}
    assert (found["eer"], found["eer_threshold"]) == (0.25, 0.5)
    assert found["auc"] == pytest.approx(roc_auc_score(TARGET, SCORES))
    assert found["accuracy"] == 6 / 8
    assert (found["num_target"], found["num_nontarget"]) == (4, 4)
    # Rejecting the one target below the highest non-target costs a quarter of P_target, whatever the prior.
    assert found["min_dcf"] == pytest.approx({"0.01": 0.25, "0.05": 0.25})
    assert (tmp_path / "out" / "vox1_o-det.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "out" / "vox1_o-histogram.png").stat().st_size > 1000
    report = (tmp_path / "out" / "report.html").read_text()
    assert "vox1_o" in report
    assert "r1" in report
    show(result)
    said = capsys.readouterr().out
    assert "vox1_o: EER 25.00%" in said
    assert result["metrics_path"] in said


def test_several_lists_are_kept_apart(tmp_path: Path):
    scores = {"a": as_text(tmp_path / "a.txt"), "b": text(tmp_path / "b.txt", ["1 1", "0 0"])}
    metrics = evaluate(scores, str(tmp_path / "out"), facts={})["metrics"]
    assert (metrics["a"]["eer"], metrics["b"]["eer"]) == (0.25, 0.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 0.5", "0 nan"], "Scores must be finite: got score=nan"),
        (["1 0.5", "0 -inf"], "Scores must be finite: got score=-inf"),
        (["1 0.5", "1 0.2"], "need both kinds of trial: got num_target=2"),
        (["0 0.5", "0 0.2"], "need both kinds of trial: got num_target=0"),
        (["1 0.5", "yes 0.2"], "score line malformed: got 'yes 0.2', .*:2"),
        (["1 0.5", "", "0 a b"], "score line malformed: got '0 a b', .*:3"),
        (["1 0.5", "0 high"], "score line malformed: got '0 high', .*:2"),
        ([], "Metrics need trials: got trials=0"),
    ],
)
def test_scores_that_make_no_sense_are_errors(tmp_path: Path, lines: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        evaluate({"list": text(tmp_path / "scores.txt", lines)}, str(tmp_path / "out"), facts={})
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_what_is_missing_is_named(tmp_path: Path):
    pq.write_table(pa.table({"score": SCORES}), tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match=r"columns missing: got \['score'\].*Add target"):
        read_scores(str(tmp_path / "scores.parquet"))
    pq.write_table(pa.table({"score": SCORES, "target": [None, *TARGET[1:]]}), tmp_path / "unknown.parquet")
    with pytest.raises(ValueError, match="answers unknown: got 1 trials without target"):
        read_scores(str(tmp_path / "unknown.parquet"))
    with pytest.raises(ValueError, match=f"scores missing: .* At {tmp_path}/nothing"):
        read_scores(str(tmp_path / "nothing"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"store not finished: .* At {tmp_path}/folder"):
        read_scores(str(tmp_path / "folder"))
