"""A run's model is written for use elsewhere: as one file, or as a verifier with all that it decides by."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avis.verifier import Verifier


def test_a_file_says_how_closely_it_embeds(
    main_job: tuple[Path, str], start: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    checkpoint = main_job[0] / "outputs" / "runs" / "first" / "checkpoints" / "best.ckpt"
    start("export", f"checkpoint={checkpoint}", f"file={tmp_path / 'model.pt'}", "format=torchscript")
    assert torch.jit.load(tmp_path / "model.pt")(torch.randn(1, 16000) / 10).shape == (1, 16)
    said = capsys.readouterr().out.splitlines()
    assert re.search(r"least (1\.0|0\.9999)", said[-2])
    assert said[-1] == str(tmp_path / "model.pt")


def test_a_folder_is_the_runs_verifier(
    main_job: tuple[Path, str], start: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = main_job[0] / "outputs" / "runs" / "first"
    start("export", f"checkpoint={run / 'checkpoints' / 'best.ckpt'}", f"file={tmp_path / 'mine'}", "format=folder")
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "mine")
    exported, of_run = Verifier.load(str(tmp_path / "mine")), Verifier.load(str(run))
    assert exported.parts.config == of_run.parts.config
    recordings = sorted(map(str, (main_job[0] / "outputs" / "synthetic").rglob("*.flac")))[:2]
    assert exported.verify(*recordings) == of_run.verify(*recordings)
    assert f"verifier: {run / 'verifier'}".endswith(next(s for s in main_job[1].splitlines() if "verifier: " in s)[10:])
