"""Comparing runs from the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_single_run_is_no_list(tmp_path: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="a comparison needs several runs: got runs=tiny, expected a list"):
        start("compare", "runs=tiny")


def test_runs_are_compared(
    tmp_path: Path,
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    for name, scores in (("a", "1 2.0\n0 1.0\n"), ("b", "1 1.0\n0 2.0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.txt").write_text(scores)
        start("evaluate", f"scores={name}/own.txt", f"output_dir={name}")
    start("compare", "runs=[a/evaluated/own,b/evaluated/own]")
    page = Path(capsys.readouterr().out.splitlines()[-1])
    assert page.name == "compare.html"
    assert page.parent == tmp_path / "outputs" / "compared" / "a-evaluated-own_vs_b-evaluated-own"
    assert "b/evaluated/own: the scores do not say which trial is which" in page.read_text()
