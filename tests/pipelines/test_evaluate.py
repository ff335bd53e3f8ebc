"""Evaluating alone: scores in, error rates out."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
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


@pytest.mark.slow
def test_several_systems_are_fused(
    tmp_path: Path,
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for system in ("a", "b"):
        for trials, answered in (("dev", True), ("eval", True), ("blind", False)):
            lines = [
                f"{trials}-e{i} {trials}-t{i} {f'{i % 2} ' if answered else ''}{rng.normal(1.5 if i % 2 else -1.5)}"
                for i in range(400)
            ]
            (tmp_path / f"{system}-{trials}.txt").write_text("\n".join(lines))
    development = "development=[a-dev.txt,b-dev.txt]"
    start("evaluate", "scores=[a-eval.txt,b-eval.txt]", development)
    said = capsys.readouterr().out
    assert "a-eval_and_b-eval: fused of" in said
    assert "points against the baseline's" in said
    assert "warning: Nobody can say whether the systems were fused on other speakers" in said
    out = tmp_path / "outputs" / "evaluated" / "a-eval_and_b-eval"
    [metrics] = json.loads((out / "metrics.json").read_text()).values()
    assert list(metrics["fusion"]["systems"]) == ["a-eval", "b-eval"]
    assert "best single system" in (out / "report.html").read_text()
    assert (out / metrics["scores"]).is_dir()
    start("evaluate", f"scores={out / metrics['scores']}")
    assert "fused of" in capsys.readouterr().out
    start("evaluate", "scores=[a-blind.txt,b-blind.txt]", development)
    assert "400 trials without answers" in capsys.readouterr().out
    start("evaluate", "scores=a-eval.txt", "development=a-dev.txt")
    assert "calibrated on" in capsys.readouterr().out
    with pytest.raises(ValueError, match="development scores missing: got 0 for 2 systems"):
        start("evaluate", "scores=[a-eval.txt,b-eval.txt]")
    with pytest.raises(ValueError, match="baseline of a fusion"):
        start("evaluate", "scores=[a-eval.txt,b-eval.txt]", development, "baseline=a-eval.txt")
