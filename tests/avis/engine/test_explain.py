"""Explaining trials at scale: the worst of a list, each as the scores have it, once, the same on any workers."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from avis import store
from avis.engine import explain as stage
from avis.engine.config import TOP_LEVEL, check_composed
from avis.engine.explain import (
    OVERRIDES,
    Explaining,
    calibrated_verifier,
    check_verifier,
    chosen_trials,
    explain_list,
)
from avis.engine.scored import Scored, model_of, scored
from avis.evaluation.score_table import ScoreTable, read_scores
from avis.explain.record import Explanation
from avis.explain.scale import ENFSI_2015
from avis.explain.text.sentences import Preset
from avis.reports.worst_trials import worst_trials
from avis.verifier import Verifier

EXACT = Explaining(worst=3, checks=False, prior=None, scale=ENFSI_2015, preset="engineer")


@pytest.fixture
def found(finished_run: str, tmp_path: Path, composed: Callable[..., Any]) -> Scored:
    """Return the scores of a copy of the finished run."""
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    asked = check_composed(composed("run=tiny", f"output_dir={tmp_path}", "compute=debug", name="explain"))
    return scored(model_of(asked), asked, beside=OVERRIDES)


@pytest.fixture
def verifier(found: Scored) -> Verifier:
    return calibrated_verifier(found.folder)


def test_the_worst_trials_of_a_list_are_those_of_its_report(found: Scored):
    [(name, uri)] = found.scores.items()
    trials = read_scores(ScoreTable(uri)).trials
    worst = worst_trials(trials, num=3)
    assert chosen_trials(found, worst=3) == {name: [*worst.nontargets, *worst.targets]}
    assert chosen_trials(found, worst=None) == {name: list(range(len(trials.scores)))}


def test_each_is_explained_as_it_was_scored(found: Scored, verifier: Verifier):
    rows = chosen_trials(found, worst=3)["synthetic"]
    uri = explain_list("synthetic", rows, found, verifier, EXACT)
    table, scores = store.read_table(uri, "explanations"), store.read_table(found.scores["synthetic"], "scores")
    assert table["number"].to_pylist() == [row + 1 for row in sorted(rows)]
    assert table.select(scores.column_names).equals(scores.take(sorted(rows)))
    np.testing.assert_allclose(table["score_again"], table["score"], atol=1e-5)
    np.testing.assert_allclose(table["evidence"], table["llr"], atol=1e-5)
    for row in table.to_pylist():
        told = Explanation.model_validate_json(row["explanation"])
        assert (told.llr, told.outcome, told.verbal) == (row["evidence"], row["outcome"], row["verbal"])
        assert [(side.side, side.name) for side in told.sides] == [("enroll", row["enroll"]), ("test", row["test"])]
        assert sum(bar.llr for bar in told.waterfall) == pytest.approx(row["llr"], abs=1e-4)


def test_what_is_done_is_not_done_again_and_what_was_cut_off_goes_on(
    found: Scored, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stage, "TRIALS_PER_PART", 2)
    rows, made = chosen_trials(found, worst=3)["synthetic"], list[int]()
    whole = stage.Explainer.__call__

    def counted(self: Any, task: Any) -> Any:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.extend(task["number"].to_pylist())
        return whole(self, task)

    monkeypatch.setattr(stage.Explainer, "__call__", counted)
    with pytest.raises(KeyboardInterrupt, match="1 of 3 parts of explain synthetic are finished"):
        explain_list("synthetic", rows, found, verifier, EXACT)
    monkeypatch.setattr(stage.Explainer, "__call__", whole)
    uri = explain_list("synthetic", rows, found, verifier, EXACT)
    files = [Path(part) for part in store.part_uris(uri, "explanations")]
    assert len(files) == 3
    written = [file.stat().st_mtime_ns for file in files]
    assert explain_list("synthetic", rows, found, verifier, EXACT) == uri
    assert [file.stat().st_mtime_ns for file in files] == written


@pytest.mark.few(1)
@pytest.mark.parametrize("other", [{"checks": True}, {"prior": 0.25}, {"scale": stage.Scale([[1, "some support"]])}])
def test_what_is_asked_for_otherwise_is_explained_anew(found: Scored, verifier: Verifier, other: dict[str, Any]):
    rows = chosen_trials(found, worst=1)["synthetic"]
    once = explain_list("synthetic", rows, found, verifier, EXACT)
    again = explain_list("synthetic", rows, found, verifier, dataclasses.replace(EXACT, **other))
    assert once != again
    told = Explanation.model_validate_json(store.read_table(again, "explanations")["explanation"][0].as_py())
    assert told.prior == other.get("prior")


@pytest.mark.slow
def test_bytes_are_the_same_on_ray(
    ray_session: None,
    found: Scored,
    verifier: Verifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bytes_below: Callable[[str], dict[str, bytes]],
):
    monkeypatch.setattr(stage, "TRIALS_PER_PART", 1)
    rows = chosen_trials(found, worst=1)["synthetic"]
    everything, made = dataclasses.replace(EXACT, checks=True), []
    for number, where in enumerate(["debug", "local"]):
        compute = dataclasses.replace(found.recipe.compute, where=where)
        elsewhere = found._replace(
            recipe=dataclasses.replace(found.recipe, compute=compute), folder=str(tmp_path / str(number))
        )
        made.append(bytes_below(explain_list("synthetic", rows, elsewhere, verifier, everything)))
    assert made[0].keys() >= {"manifest.json", "explanations/part-00001.parquet", "unexplained/part-00000.parquet"}
    assert made[0] == made[1]


def test_what_cannot_be_explained_is_counted_with_the_reason(
    found: Scored, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
):
    rows = chosen_trials(found, worst=3)["synthetic"]
    broken = store.read_table(found.scores["synthetic"], "scores")["test"][rows[0]].as_py()
    reading = stage.Explainer._explanation

    def failing(self: Any, trial: dict[str, Any]) -> Explanation:
        if trial["test"] == broken:
            raise ValueError(f"embedding without a value: got 1, expected none. At {broken}. Leave it out.")
        return reading(self, trial)

    monkeypatch.setattr(stage.Explainer, "_explanation", failing)
    uri = explain_list("synthetic", rows, found, verifier, EXACT)
    failed = store.read_table(uri, "unexplained").to_pylist()
    assert rows[0] + 1 in [each["number"] for each in failed]
    assert {each["test"] for each in failed} == {broken}
    assert all("embedding without a value" in each["reason"] for each in failed)
    assert len(failed) + len(store.read_table(uri, "explanations")) == len(rows)


def test_lists_without_answers_have_no_worst_trials(found: Scored, capsys: pytest.CaptureFixture[str]):
    [uri] = found.scores.values()
    both = found._replace(scores={"synthetic": uri, "unknown": uri})
    assert chosen_trials(both, worst=1).keys() == {"synthetic"}
    assert "unknown: not explained, since no answers are known; worst=null explains all" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"no worst trials: got lists without answers.*worst=null"):
        chosen_trials(both._replace(answered={}), worst=1)


def test_a_verifier_must_be_calibrated_and_that_of_the_scores(found: Scored, verifier: Verifier, composed: Any):
    shutil.rmtree(Path(found.folder) / "verifier")
    with pytest.raises(ValueError, match=r"verifier not calibrated.*best\.ckpt. Give a run's"):
        calibrated_verifier(f"{found.folder}/checkpoints/best.ckpt")
    with pytest.raises(ValueError, match=r"no model: .*python .*train\.py resume=tiny"):
        calibrated_verifier(found.folder)
    check_verifier(verifier, found)
    other = found._replace(checkpoint=dataclasses.replace(found.checkpoint, digest="f" * 64))
    with pytest.raises(ValueError, match="verifier of another model"):
        check_verifier(verifier, other)
    recipe = dataclasses.replace(found.recipe, enrolment_mean="scores")
    with pytest.raises(ValueError, match="scores averaged over recordings"):
        check_verifier(verifier, found._replace(recipe=recipe, models={"synthetic": "some"}))


@pytest.mark.slow
def test_columns_that_explanations_have_are_no_conditions(found: Scored, verifier: Verifier, monkeypatch: Any):
    monkeypatch.setattr(ScoreTable, "rows", lambda self, columns, numbers: None)
    monkeypatch.setattr(stage, "EXPLAINED", stage.EXPLAINED.append(stage.pa.field("duration", stage.pa.string())))
    with pytest.raises(ValueError, match="trial column taken: got columns duration"):
        explain_list("synthetic", [0], found, verifier, EXACT)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["prior=1.5"], r"no probability: got prior=1\.5"),
        (["verbal_scale=[[10,some],[2,more]]"], "a verbal scale has bands"),
        (["preset=judge"], "got 'judge', expected one of engineer, researcher, examiner. At preset"),
        (["worst=0"], "At worst"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(composed: Any, overrides: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        Explaining.of(check_composed(composed("run=x", *overrides, name="explain")))


def test_presets_are_those_of_texts():
    assert get_args(TOP_LEVEL["preset"]) == get_args(Preset)


def test_a_scale_may_be_typed(composed: Any):
    asked = check_composed(
        composed("run=x", "verbal_scale=[[1,limited support],[10.5,strong support]]", name="explain")
    )
    assert Explaining.of(asked).scale.bands == ((1.0, "limited support"), (10.5, "strong support"))
