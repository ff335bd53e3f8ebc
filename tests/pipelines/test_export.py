"""A run's model is written for use elsewhere: as one file, or as a verifier with all that it decides by."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
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


@pytest.mark.slow
@pytest.mark.parametrize(("format", "least"), [("onnx", 0.99999), ("onnx_int8", 0.9)])
def test_a_verifiers_folder_is_enough_for_onnx(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
    least: float,
):
    onnxruntime = pytest.importorskip("onnxruntime")
    folder, file = main_job[0] / "outputs" / "runs" / "first" / "verifier", tmp_path / "model.onnx"
    start("export", f"checkpoint={folder}", f"file={file}", f"format={format}")
    said = re.search(r"least (\S+),", capsys.readouterr().out)
    assert said is not None
    assert float(said[1]) > least
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["avis"])
    verifier = Verifier.load(str(folder))
    assert (about["checkpoint"], about["trained_on"]) == (verifier.parts.checkpoint.digest, verifier.parts.trained_on)
    recording = next((main_job[0] / "outputs" / "synthetic").rglob("*.flac"))
    waveform, _ = sf.read(recording, dtype="float32")
    exported, own = session.run(None, {"waveforms": waveform[None]})[0][0], verifier.embed(recording).embedding
    assert own is not None
    assert exported @ own / np.linalg.norm(exported) / np.linalg.norm(own) > least


def test_a_verifiers_folder_makes_no_checkpoint(main_job: tuple[Path, str], start: Callable[..., None], tmp_path: Path):
    folder = main_job[0] / "outputs" / "runs" / "first" / "verifier"
    with pytest.raises(ValueError, match="no checkpoint: got a folder"):
        start("export", f"checkpoint={folder}", f"file={tmp_path / 'm.ckpt'}", "format=avis")
    assert not (tmp_path / "m.ckpt").exists()


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
