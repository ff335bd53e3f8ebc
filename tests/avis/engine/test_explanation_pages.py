"""Pages of explained trials: one for each, an index with what is said of the list, and links from the report."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis import store
from avis.engine import explain as stage
from avis.engine.config import check_composed
from avis.engine.explain import OVERRIDES, Explaining, calibrated_verifier, chosen_trials, explain_list
from avis.engine.explanation_pages import write_pages
from avis.engine.scored import Scored, model_of, scored
from avis.evaluation.evaluate import evaluate
from avis.explain.record import Explanation
from avis.explain.scale import ENFSI_2015

EXACT = Explaining(worst=2, checks=False, prior=None, scale=ENFSI_2015, preset="engineer")


@pytest.fixture
def found(finished_run: str, tmp_path: Path, composed: Callable[..., Any]) -> Scored:
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    asked = check_composed(composed("run=tiny", f"output_dir={tmp_path}", "compute=debug", name="explain"))
    return scored(model_of(asked), asked, beside=OVERRIDES)


def explained(found: Scored, explaining: Explaining = EXACT) -> Path:
    """Explain the worst trials and write their pages; return the index."""
    rows = chosen_trials(found, worst=explaining.worst)["synthetic"]
    records = explain_list("synthetic", rows, found, calibrated_verifier(f"{found.evaluated}"), explaining)
    return Path(write_pages("synthetic", rows, records, found, explaining, windows_error=None))


def test_there_is_a_page_for_each_and_an_index_from_the_worst_on(found: Scored):
    rows, index = chosen_trials(found, worst=2)["synthetic"], explained(found)
    assert index.parent.parent == Path(found.folder) / "explanations"
    links = re.findall(r'<a href="(\d+)\.html"', index.read_text())
    assert links == [str(row + 1) for row in rows]
    trials = store.read_table(found.scores["synthetic"], "scores").to_pylist()
    for row in rows:
        page = (index.parent / f"{row + 1}.html").read_text()
        assert page.count("data:audio/flac;base64,") == 2
        assert trials[row]["test"] in page
        assert 'src="http' not in page


@pytest.mark.slow
def test_pages_are_written_once_for_each_preset_and_records_once_for_all(found: Scored):
    engineer = explained(found)
    page = next(engineer.parent.glob("[0-9]*.html"))
    written_ns = page.stat().st_mtime_ns
    assert explained(found) == engineer
    assert page.stat().st_mtime_ns == written_ns
    examiner = explained(found, dataclasses.replace(EXACT, preset="examiner"))
    assert (examiner.parent / page.name).read_text() != page.read_text()
    assert len(list((Path(found.folder) / "explained").iterdir())) == 1
    page.unlink()
    with pytest.raises(ValueError, match=rf"pages are gone: got 3 of 4.*{page.name}.*Delete the folder"):
        explained(found)


@pytest.mark.slow
def test_pages_are_the_same_on_ray(
    ray_session: None, found: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_below: Any
):
    monkeypatch.setattr(stage, "TRIALS_PER_PART", 1)
    rows = chosen_trials(found, worst=2)["synthetic"]
    records = explain_list("synthetic", rows, found, calibrated_verifier(found.folder), EXACT)
    made = []
    for number, where in enumerate(["debug", "local"]):
        recipe = dataclasses.replace(found.recipe, compute=dataclasses.replace(found.recipe.compute, where=where))
        elsewhere = found._replace(recipe=recipe, evaluated=str(tmp_path / str(number)))
        made.append(
            bytes_below(str(Path(write_pages("synthetic", rows, records, elsewhere, EXACT, windows_error=None)).parent))
        )
    assert made[0].keys() >= {"index.html", "summary.json", f"{rows[0] + 1}.html"}
    assert made[0] == made[1]


def test_what_could_not_be_explained_is_said(
    found: Scored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rows, telling = chosen_trials(found, worst=2)["synthetic"], stage.Explainer._explanation

    def failing(self: Any, trial: dict[str, Any]) -> Explanation:
        if trial["number"] == rows[0] + 1:
            raise ValueError("out of memory: got none, expected room. At x. Lower max_window_s.")
        return telling(self, trial)

    monkeypatch.setattr(stage.Explainer, "_explanation", failing)
    index = explained(found)
    assert "synthetic: 1 of 4 trials could not be explained: 1: out of memory" in capsys.readouterr().out
    assert json.loads((index.parent / "summary.json").read_text())["facts"]["Could not be explained"] == "1"
    assert f"{rows[0] + 1}.html" not in index.read_text()

    monkeypatch.setattr(stage.Explainer, "_explanation", lambda self, trial: failing(self, {"number": rows[0] + 1}))
    with pytest.raises(ValueError, match=r"nothing explained: got 2 trials.*out of memory"):
        explained(found, dataclasses.replace(EXACT, worst=1))


@pytest.mark.slow
def test_scores_that_are_not_the_runs_are_warned_of(
    found: Scored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    telling = stage.Explainer._explanation
    monkeypatch.setattr(
        stage.Explainer,
        "_explanation",
        lambda self, trial: (made := telling(self, trial)).model_copy(update={"score": made.score + 0.5}),
    )
    assert "scores differ from those of the scores table by up to 0.5" in explained(found).read_text()
    assert "warning: synthetic: scores differ" in capsys.readouterr().out


@pytest.mark.slow
def test_the_report_leads_to_pages_that_are_there_and_to_no_others(found: Scored):
    index, evaluation = explained(found), found.recipe.evaluation
    report = Path(evaluate(found.answered, found.evaluated, facts={}, evaluation=evaluation).report_path)
    links = re.findall(r'<a href="([^"]+)">why</a>', report.read_text())
    assert sorted(links) == sorted(
        f"explanations/{index.parent.name}/{page.name}" for page in index.parent.glob("[0-9]*")
    )
    assert all((report.parent / link).is_file() for link in links)
    shutil.rmtree(index.parent)
    evaluate(found.answered, found.evaluated, facts={}, evaluation=evaluation)
    assert ">why</a>" not in report.read_text()


@pytest.mark.slow
def test_the_summary_is_of_the_whole_list(found: Scored):
    told = json.loads((explained(found).parent / "summary.json").read_text())
    scores = store.read_table(found.scores["synthetic"], "scores").to_pylist()
    targets = [row for row in scores if row["target"]]
    assert sum(goat["trials"] for goat in told["zoo"]["goats"]) == len(targets)
    assert sum(lamb["trials"] for lamb in told["zoo"]["lambs"]) == len(scores) - len(targets)
    assert told["mismatch"].keys() == {"target", "nontarget"}
    assert told["averages"]["segments"]["test, 0 to 20 %"]["target"]["num_trials"] == 2
    assert told["facts"]["Explained"] == f"4 of {len(scores)} trials"
