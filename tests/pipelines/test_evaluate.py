"""Evaluating alone: scores in, error rates out."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest


def test_scores_are_evaluated_alone(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    [scores] = (folder / "outputs" / "runs" / "first" / "scores").iterdir()
    start("evaluate", f"scores={scores}")
    [metrics] = json.loads((folder / "outputs" / "evaluated" / scores.name / "metrics.json").read_text()).values()
    [of_the_run] = json.loads((folder / "outputs" / "runs" / "first" / "metrics.json").read_text()).values()
    assert of_the_run.pop("scores") == f"scores/{scores.name}"
    assert metrics.pop("scores") == str(scores)
    assert metrics == of_the_run
    pages = [folder / "outputs" / where / "report.html" for where in ("runs/first", f"evaluated/{scores.name}")]
    stated = [
        re.findall(r'row">(checkpoint|checkpoint SHA-256|configuration hash)</th><td>(.+?)<', page.read_text())
        for page in pages
    ]
    assert len(stated[0]) == 3
    assert stated[0] == stated[1]
    (folder / "outputs" / "own.txt").write_text("1 2.0\n0 1.0\n1 0.5\n0 0.0\n")
    start("evaluate", "scores=outputs/own.txt")
    assert "own: EER 50.00%" in capsys.readouterr().out
