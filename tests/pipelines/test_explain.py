"""Explaining alone: a run's name in, pages of its worst trials out, to which its report leads."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from avis import store


@pytest.fixture
def outputs(main_job: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of what the main job left, in the folder from which it is looked at."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(main_job[0] / "outputs", tmp_path / "outputs"))


def said_by(start: Callable[..., None], capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    start("explain", "compute=debug", "checks=false", *arguments)
    return capsys.readouterr().out.splitlines()


def test_the_worst_trials_of_a_run_are_explained(
    outputs: Path, start: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    run, where = outputs / "runs" / "first", f"output_dir={outputs}"
    before = (run / "metrics.json").read_text()
    told = said_by(start, capsys, "run=first", where, "worst=2")
    index = Path(told[-1].removeprefix("synthetic: "))
    assert told[-2] == f"report:  {run}/report.html"
    assert index.is_file()
    assert index.is_relative_to(run)
    links = re.findall(r'<a href="(explanations/[^"]+)">why</a>', (run / "report.html").read_text())
    assert len(links) == 4
    assert all((run / link).is_file() for link in links)
    assert (run / "metrics.json").read_text() == before
    assert f"<td>{run}</td>" in (run / "report.html").read_text()
    assert len(list((run / "scores").iterdir())) == 1, "scored before"

    again = said_by(start, capsys, f"checkpoint={run}", where, "worst=2")
    assert [line for line in again if line.startswith(("explain ", "pages "))] == []
    assert again[-1] == told[-1]


@pytest.mark.slow
def test_other_trials_are_scored_first(outputs: Path, start: Callable[..., None], capsys: pytest.CaptureFixture[str]):
    run = outputs / "runs" / "first"
    [scores] = (run / "scores").iterdir()
    trials = store.read_table(str(scores), "scores", columns=["target", "enroll", "test"]).to_pylist()
    some = [*[each for each in trials if each["target"]][:2], *[each for each in trials if not each["target"]][:2]]
    lines = (f"{int(each['target'])} {each['enroll']} {each['test']}\n" for each in some)
    (outputs / "some.txt").write_text("".join(lines))
    asked = ["run=first", f"trials={outputs}/some.txt", f"output_dir={outputs}"]
    told = said_by(start, capsys, *asked, "worst=null", "preset=examiner")
    index = Path(told[-1].removeprefix("some: "))
    [evaluated] = outputs.glob("scored/*/evaluated/*")
    assert index.is_relative_to(evaluated)
    assert len(list(index.parent.glob("[0-9]*.html"))) == 4
    assert '<th scope="row">Chosen</th><td>all</td>' in index.read_text()
    assert (evaluated / "report.html").read_text().count(">why</a>") == 4


@pytest.mark.slow
def test_trials_without_answers_are_explained_if_all_are(
    outputs: Path, start: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    run = outputs / "runs" / "first"
    [scores] = (run / "scores").iterdir()
    [pair] = store.read_table(str(scores), "scores", columns=["enroll", "test"]).slice(0, 1).to_pylist()
    (outputs / "unknown.txt").write_text(f"{pair['enroll']} {pair['test']}\n")
    asked = [f"checkpoint={run}/checkpoints/best.ckpt", f"trials={outputs}/unknown.txt", f"output_dir={outputs}"]
    with pytest.raises(ValueError, match=r"no worst trials: .*At trials unknown\. Give worst=null"):
        said_by(start, capsys, *asked)
    told = said_by(start, capsys, *asked, "worst=null")
    assert (Path(told[-1].removeprefix("unknown: ")).parent / "1.html").is_file()
    assert not any(line.startswith("report:") for line in told)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], r"which model: got run=None and checkpoint=None, expected one of them.*run=<run>"),
        (["run=first", "checkpoint=x"], r"which model: got run=first and checkpoint=x"),
        (["run=../first"], "unfit name of a run"),
        (["run=nobody"], r"no model: .*nobody.*python .*train\.py resume=nobody"),
    ],
)
def test_a_model_that_is_not_there_is_told(
    outputs: Path, start: Callable[..., None], capsys: pytest.CaptureFixture[str], asked: list[str], message: str
):
    with pytest.raises(ValueError, match=message):
        said_by(start, capsys, *asked, f"output_dir={outputs}")


def test_a_run_whose_recordings_are_gone_is_told(
    outputs: Path, start: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree(outputs / "stores")
    with pytest.raises(ValueError, match=r"recordings of a run are gone: .*resume=first"):
        said_by(start, capsys, "run=first", f"output_dir={outputs}")
