"""Scoring alone: a checkpoint and trials in, error rates out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def test_trials_are_scored_alone(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, said = main_job
    monkeypatch.chdir(folder)
    checkpoint = "outputs/runs/first/checkpoints/best.ckpt"
    start("score", f"checkpoint={checkpoint}", "compute=debug")
    told = capsys.readouterr().out.splitlines()[-3:]
    assert told[0] == said.splitlines()[-3]
    [scored] = (folder / "outputs" / "scored").iterdir()
    metrics = json.loads((scored / "metrics.json").read_text())
    assert metrics == json.loads((folder / "outputs" / "runs" / "first" / "metrics.json").read_text())
