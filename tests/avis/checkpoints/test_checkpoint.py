"""Checkpoints: opened once and without running code, or refused with their path."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.recipe import Recipe


def test_a_checkpoint_holds_what_a_model_needs(tiny_recipe: Recipe, tiny_run: str):
    path = best_checkpoint(tiny_run)
    checkpoint = Checkpoint.open(path)
    assert checkpoint.digest == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert checkpoint.recipe == tiny_recipe.placed().plain
    assert checkpoint.sample_rate == 16000
    assert not checkpoint.front_end_learnt
    model = checkpoint.build_model()
    assert all(torch.equal(value, checkpoint.weights[f"model.{key}"]) for key, value in model.state_dict().items())


def test_a_checkpoint_of_another_architecture_is_refused(tiny_run: str, tmp_path: Path):
    saved = torch.load(best_checkpoint(tiny_run), weights_only=True)
    saved["recipe"]["model"]["channels"] = 32
    torch.save(saved, tmp_path / "other.ckpt")
    other = Checkpoint.open(str(tmp_path / "other.ckpt"))
    with pytest.raises(ValueError, match=rf"checkpoint of another architecture: .*EcapaTdnn\. At {other.uri}"):
        other.build_model()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a checkpoint: got "),
        (b"not a checkpoint at all", "not a checkpoint: got BadZipFile"),
        (pickle.dumps({"recipe": print}), "not a checkpoint: got "),
        (None, "checkpoint missing: got no file"),
    ],
)
def test_what_is_no_checkpoint_is_said_with_its_path(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "best.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{message}.*At {path}"):
        Checkpoint.open(str(path))


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="not a checkpoint of AVIS: got a file without recipe, speakers,"):
        Checkpoint.open(str(tmp_path / "other.ckpt"))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"_target_": "os.system", "command": "false"}, r"got unknown component: got _target_=os\.system"),
        ({"_target_": "avis.models.xvector.XVector", "widht": 3}, r"got .*unexpected keyword argument 'widht'"),
        (None, r"got a file without recipe\.model"),
    ],
)
def test_a_recipe_that_builds_nothing_of_avis_is_refused(tiny_run: str, tmp_path: Path, model: object, message: str):
    saved = torch.load(best_checkpoint(tiny_run), weights_only=True)
    saved["recipe"]["model"] = model
    if model is None:
        del saved["recipe"]["model"]
    torch.save(saved, tmp_path / "strange.ckpt")
    with pytest.raises(ValueError, match=rf"{message}.* At {tmp_path}/strange\.ckpt"):
        Checkpoint.open(str(tmp_path / "strange.ckpt")).build_model()
