"""Fusing: several systems' scores of one list, weighted on a list of other speakers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from avis import store
from avis.evaluation.evaluate import evaluate, show
from avis.evaluation.fuse import fuse, system_names
from avis.evaluation.list_report import read_origin
from avis.evaluation.score_table import ORIGIN, TRAINED_ON, ScoreTable, read_scores
from avis.evaluation.settings import Evaluation
from avis.metrics.eer import equal_error_rate
from avis.metrics.figures import CLLR, MIN_CLLR
from avis.scoring.fusion import Fusion

LONG = 100_000


Given = tuple[list[str], list[str]]
"""Where the scores of two systems are, and their development scores."""


def systems(prefix: str, *, seed: int, num: int = 4000) -> list[pa.Table]:
    """Two systems with errors of their own on trials of 40 speakers, each in an order of its own."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 40, (2, num))
    other[: num // 4] = one[: num // 4]
    trials = {
        "enroll": [f"{prefix}-e{i}" for i in range(num)],
        "test": [f"{prefix}-t{i}" for i in range(num)],
        "target": one == other,
        "gender": np.where(one < 20, "f", "m"),
        "enroll_speaker": [f"{prefix}-s{i:02d}" for i in one],
        "test_speaker": [f"{prefix}-s{i:02d}" for i in other],
    }
    sign = np.where(one == other, 1.0, -1.0)
    tables = []
    for mean, scale in ((1.2, 1.0), (1.5, 0.1)):
        score = scale * (sign * mean + rng.normal(size=num))
        tables.append(pa.table({**trials, "score": score.astype(np.float32)}).take(rng.permutation(num)))
    return tables


def written(path: Path, table: pa.Table) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def as_text(path: Path, table: pa.Table, *columns: str) -> str:
    lines = (" ".join(str(row[name]) for name in columns) for row in table.to_pylist())
    path.write_text("\n".join(lines).replace("True", "1").replace("False", "0") + "\n")
    return str(path)


def as_store(path: Path, table: pa.Table, **facts: object) -> str:
    store.commit_part(str(path), "part-00000", {"scores": table}, row_group_rows=1000)
    store.finish(str(path), parts=[], inputs="abc", facts=facts)
    return str(path)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return (
        [
            written(tmp_path / name / "eval.parquet", table)
            for name, table in zip("ab", systems("e", seed=0), strict=True)
        ],
        [
            written(tmp_path / name / "dev.parquet", table)
            for name, table in zip("ab", systems("d", seed=1), strict=True)
        ],
    )


def fused(given: Given, out: Path) -> tuple[str, str | None]:
    return fuse(*given, str(out), fusion=Fusion(p_target=0.05, l2=1e-4))


def test_two_systems_are_better_than_the_better_one(
    given: Given, tmp_path: Path, evaluation: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    scores, best = fused(given, out)
    assert best is not None
    settings = evaluation(bootstrap_draws=100, trials_in_memory=LONG)
    result = evaluate({"ab": scores}, str(out), facts={}, evaluation=settings, baseline=best)
    found = json.loads((out / "metrics.json").read_text())["ab"]
    fusion = found["fusion"]
    assert list(fusion["systems"]) == ["a-eval", "b-eval"]
    own = {
        name: equal_error_rate(*read_scores(ScoreTable(uri)).trials[:2])[0]
        for name, uri in zip("ab", given[0], strict=True)
    }
    assert [fusion["systems"][f"{name}-eval"]["eer"] for name in "ab"] == [pytest.approx(eer) for eer in own.values()]
    # Independent errors around 1.2 and (times 0.1) 1.5: weights 2 m / s^2, an EER of Phi(-sqrt(1.2^2 + 1.5^2)).
    assert [system["weight"] for system in fusion["systems"].values()] == pytest.approx([2.4, 30.0], rel=0.3)
    assert found["eer"] == pytest.approx(0.0274, abs=0.006)
    assert found["eer"] < own["b"] < own["a"]
    gain = found["baseline"]["differences"]["figures"]
    assert gain["eer"]["difference"] == pytest.approx(found["eer"] - own["b"])
    assert gain["eer"]["interval"][1] < 0.0
    assert gain["cllr"]["interval"][1] < 0.0  # the better system was calibrated likewise
    assert found["calibration"]["num_speakers"] == 40
    show(result)
    said = capsys.readouterr().out
    assert "fused of 2." in said
    assert "beyond chance" in said
    assert "of b-eval (score, EER" in (out / "report.html").read_text()


def test_fused_scores_have_all_that_is_known_of_the_trials(given: Given, tmp_path: Path):
    a, b = systems("e", seed=0)
    texts = [as_text(tmp_path / "a.txt", a, "enroll", "test", "score"), as_store(tmp_path / "b", b)]
    (by_text, _), (by_table, _) = fused((texts, given[1]), tmp_path / "1"), fused(given, tmp_path / "2")
    one, other = (store.read_table(uri, "scores").sort_by("enroll") for uri in (by_text, by_table))
    assert one.column_names[:3] == ["enroll", "test", "target"]
    assert set(one.column_names) == {*a.column_names, "llr", "llr_uncapped"} == set(other.column_names)
    for name in set(other.column_names) - {"score", "llr", "llr_uncapped"}:
        assert one[name].to_pylist() == other[name].to_pylist()
    np.testing.assert_allclose(one["llr_uncapped"].to_numpy(), other["llr_uncapped"].to_numpy(), atol=1e-4)
    assert fused(given, tmp_path / "2")[0] == by_table  # found again


def test_a_system_is_decided_by_the_column_that_both_its_lists_have(given: Given, tmp_path: Path):
    a, _ = systems("e", seed=0)
    normed = written(tmp_path / "n.parquet", a.append_column("score_norm", pa.array(np.zeros(len(a)))))
    scores, _ = fused(([normed, given[0][1]], given[1]), tmp_path / "out")
    assert store.read_table(scores, "scores").equals(store.read_table(fused(given, tmp_path / "out")[0], "scores"))


def test_lists_without_answers_are_fused_too(given: Given, tmp_path: Path):
    answered, _ = fused(given, tmp_path / "out")
    blind = [
        written(tmp_path / f"blind-{name}.parquet", table.set_column(2, "target", pa.nulls(len(table), pa.bool_())))
        for name, table in zip("ab", systems("e", seed=0), strict=True)
    ]
    scores, best = fused((blind, given[1]), tmp_path / "out")
    assert best is None
    one, other = (store.read_table(uri, "scores") for uri in (scores, answered))
    assert one["target"].null_count == len(one)
    assert one["llr"].equals(other["llr"])


@pytest.mark.slow
def test_one_system_is_calibrated(given: Given, tmp_path: Path, evaluation: Callable[..., Evaluation]):
    scores, best = fused((given[0][:1], given[1][:1]), tmp_path / "out")
    assert best is None
    result = evaluate({"a": scores}, str(tmp_path / "out"), facts={}, evaluation=evaluation(trials_in_memory=LONG))
    figures = result.metrics["a"].summary.figures
    assert figures[CLLR] == pytest.approx(figures[MIN_CLLR], rel=0.1)


def in_capitals(table: pa.Table) -> pa.Table:
    for column in ("enroll_speaker", "test_speaker"):
        table = table.set_column(table.column_names.index(column), column, pc.utf8_upper(table[column]))
    return table


@pytest.mark.slow
def test_speakers_who_are_evaluated_are_not_fitted_on(
    given: Given, tmp_path: Path, evaluation: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(ValueError, match=r"got 40 speakers of it among those evaluated.* At e-s00, .*eval.parquet"):
        fused((given[0], given[0]), tmp_path / "out")
    loud = [written(tmp_path / f"loud-{at}.parquet", in_capitals(each)) for at, each in enumerate(systems("e", seed=0))]
    with pytest.raises(ValueError, match="got 40 speakers of it among those evaluated"):
        fused((given[0], loud), tmp_path / "out")
    bare = [
        written(tmp_path / f"bare-{name}.parquet", table.drop_columns(["enroll_speaker", "test_speaker"]))
        for name, table in zip("ab", systems("e", seed=0), strict=True)
    ]
    with pytest.raises(ValueError, match="got 4000 test utterances of it among those evaluated"):
        fused((bare, bare), tmp_path / "out")
    scores, _ = fused((bare, given[1]), tmp_path / "out")
    assert "warning: Nobody can say whether the systems were fused on other speakers" in capsys.readouterr().out
    result = evaluate({"x": scores}, str(tmp_path / "out"), facts={}, evaluation=evaluation(trials_in_memory=LONG))
    assert "Nobody can say whether the systems were fused on other speakers" in Path(result.report_path).read_text()


def test_systems_that_do_not_fit_each_other_are_errors(given: Given, tmp_path: Path):
    scores, development = given
    _, b = systems("e", seed=0)
    with pytest.raises(ValueError, match="development scores missing: got 1 for 2 systems"):
        fused((scores, development[:1]), tmp_path / "out")
    with pytest.raises(ValueError, match="systems not told apart"):
        fused(([scores[0]] * 2, development), tmp_path / "out")
    few = written(tmp_path / "few.parquet", b.slice(1))
    with pytest.raises(ValueError, match=rf"other trials in another system's scores: got 3999 .* At {few}"):
        fused(([scores[0], few], development), tmp_path / "out")
    turned = written(
        tmp_path / "t.parquet", b.set_column(2, "target", pa.array([not t for t in b["target"].to_pylist()]))
    )
    with pytest.raises(ValueError, match=rf"other answers in another system's scores: got 4000 .* At {turned}"):
        fused(([scores[0], turned], development), tmp_path / "out")
    holed = written(tmp_path / "nan.parquet", b.set_column(6, "score", pa.array([np.nan, *b["score"].to_pylist()[1:]])))
    with pytest.raises(ValueError, match=rf"Scores must be finite: got score=nan .* column score of {holed}"):
        fused(([scores[0], holed], development), tmp_path / "out")
    d = systems("d", seed=1)[0]
    blind = [written(tmp_path / f"d{i}.parquet", d.set_column(2, "target", pa.nulls(len(d), pa.bool_()))) for i in "ab"]
    with pytest.raises(ValueError, match="answers unknown: got 4000 development trials without target"):
        fused((scores, blind), tmp_path / "out")
    alike = [written(tmp_path / f"n{i}.parquet", d.filter(d["target"])) for i in "ab"]
    with pytest.raises(ValueError, match=r"need both kinds of trial.* The trials are those of .*na\.parquet"):
        fused((scores, alike), tmp_path / "out")
    chance = [
        written(tmp_path / f"c{i}.parquet", d.set_column(6, "score", pa.array(-d["score"].to_numpy()))) for i in "ab"
    ]
    with pytest.raises(ValueError, match=r"Scores rise .* The trials are those of .*ca\.parquet"):
        fused((scores, chance), tmp_path / "out")


def test_development_scores_in_another_order_are_refused(tmp_path: Path):
    """Scores tables say which checkpoint made them."""
    stores = [
        as_store(tmp_path / f"{prefix}{name}", table, **{ORIGIN: {"checkpoint SHA-256": name}})
        for prefix, seed in (("e", 0), ("d", 1))
        for name, table in zip("ab", systems(prefix, seed=seed), strict=True)
    ]
    fused((stores[:2], stores[2:]), tmp_path / "out")
    with pytest.raises(ValueError, match=r"of another system: .*db, made with the checkpoint b, .* of .*ea, a"):
        fused((stores[:2], stores[:1:-1]), tmp_path / "out")


def test_what_each_system_was_trained_on_is_known_of_the_fusion(given: Given, tmp_path: Path):
    one, other = systems("e", seed=0)
    tables = [
        as_store(tmp_path / "a", one, **{ORIGIN: {TRAINED_ON: "4 speakers of vox"}}),
        as_store(tmp_path / "b", other),
    ]
    scores, _ = fused((tables, given[1]), tmp_path / "out")
    assert read_origin(scores)[TRAINED_ON] == "a: 4 speakers of vox; b: unknown, cannot be checked"


def test_flaws_of_the_list_that_any_system_knows_are_known_of_the_fusion(given: Given, tmp_path: Path):
    tables = [
        as_store(tmp_path / name, table, flagged={"shared_speakers": count})
        for name, table, count in zip("ab", systems("e", seed=0), (3, 1), strict=True)
    ]
    scores, _ = fused((tables, given[1]), tmp_path / "out")
    assert store.open_manifest(scores)["flagged"] == {"shared_speakers": 3}


def test_names_tell_systems_apart():
    assert system_names(["/runs/a/scores.txt", "/runs/b/scores.txt"]) == ["a-scores", "b-scores"]
    assert system_names(["/x/scores.a", "/x/scores.b"]) == ["scores.a", "scores.b"]
    assert system_names(["/x/ecapa.parquet", "/y/resnet.parquet"]) == ["ecapa", "resnet"]
