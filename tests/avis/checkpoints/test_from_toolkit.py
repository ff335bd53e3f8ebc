"""Checkpoints of other toolkits: read safely, checked, written as AVIS reads them."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint, state_dict
from avis.engine.config import resolve
from avis.models.pooling import StatisticsPooling
from avis.models.resnet import ResNet
from tests.compositions import composed


def saved(**values: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def resnet(num_mels: int = 80) -> ResNet:
    torch.manual_seed(0)
    sizes = {"channels": 2, "depths": [1, 1, 1, 1], "bottleneck": False, "embedding_dim": 4}
    return ResNet(num_mels=num_mels, pooling=StatisticsPooling, **sizes).eval()


def wespeakers(model: ResNet) -> dict[str, Tensor]:
    """Return the weights under WeSpeaker's names, written down apart from the rules that are tested."""
    names = {}
    for key, value in model.state_dict().items():
        old = key.replace("trunk.first.conv", "conv1").replace("trunk.first.norm", "bn1")
        for stage in range(4):
            old = old.replace(f"trunk.stages.{stage}.", f"layer{stage + 1}.")
        for number, part in enumerate(("first", "second"), 1):
            old = old.replace(f"{part}.conv", f"conv{number}").replace(f"{part}.norm", f"bn{number}")
        old = old.replace("shortcut.conv", "shortcut.0").replace("shortcut.norm", "shortcut.1")
        names[old.replace("embedding.", "seg_1.")] = value
    return names


@pytest.fixture
def imports(tmp_path: Path) -> Callable[..., str]:
    """Return what writes weights to a file and imports it: ``imports({"seg_1.weight": ...}, "features=...")``."""

    def run(weights: dict[str, Any], *overrides: str, source: str = "wespeaker_resnet") -> str:
        torch.save(weights, tmp_path / "avg_model.pt")
        paths = [f"weights={tmp_path}/avg_model.pt", f"checkpoint={tmp_path}/imported.ckpt"]
        recipe = resolve(composed("import_checkpoint", f"source={source}", *paths, *overrides))
        import_checkpoint(recipe["weights"], recipe["checkpoint"], source=Component(recipe["source"]), recipe=recipe)
        return str(recipe["checkpoint"])

    return run


@torch.inference_mode()
def test_the_checkpoint_is_read_as_one_of_avis(imports: Callable[..., str], tmp_path: Path):
    model = resnet()
    checkpoint = Checkpoint.open(imports(wespeakers(model)))
    assert checkpoint.speakers == []
    assert str(checkpoint.lineage) == "unknown, cannot be checked"
    assert checkpoint.recipe["features"]["front_end"]["window"] == "hamming"
    digest = hashlib.sha256((tmp_path / "avg_model.pt").read_bytes()).hexdigest()
    assert checkpoint.recipe["imported"]["sha256"] == digest
    features = checkpoint.build_front_end().eval()(torch.randn(1, 8000) / 10)
    torch.testing.assert_close(checkpoint.build_model().eval()(features), model(features))


@torch.inference_mode()
def test_the_front_end_of_a_source_can_be_changed(imports: Callable[..., str]):
    recipe = Checkpoint.open(imports(wespeakers(resnet()), "features=3d_speaker_fbank_80")).recipe
    assert recipe["features"]["front_end"]["steps"][1]["window"] == "povey"


def test_a_front_end_of_another_width_is_refused(imports: Callable[..., str]):
    with pytest.raises(ValueError, match=r"front end does not fit the model: got 80 features, expected 64"):
        imports(wespeakers(resnet(num_mels=64)))


def test_weights_of_another_model_are_refused_by_name(imports: Callable[..., str], tmp_path: Path):
    with pytest.raises(ValueError, match=r"another layout: got \d+ such as bn1\.bias"):
        imports(wespeakers(resnet()), source="wespeaker_campplus")
    assert not (tmp_path / "imported.ckpt").exists()


def test_a_number_that_is_none_is_refused(imports: Callable[..., str]):
    weights = wespeakers(resnet())
    weights["conv1.weight"] = weights["conv1.weight"] * float("nan")
    with pytest.raises(ValueError, match=r"give no numbers"):
        imports(weights)


def test_nothing_is_overwritten(imports: Callable[..., str]):
    imports(wespeakers(resnet()))
    with pytest.raises(ValueError, match=r"file exists"):
        imports(wespeakers(resnet()))


def test_wrappers_and_numbers_beside_the_weights_are_left():
    value = torch.ones(2)
    assert list(state_dict(saved(state_dict={"module.a": value}, epoch=3, best=np.float64(0.8)), "x")) == ["a"]
    assert list(state_dict(saved(a=value), "x")) == ["a"]


def test_what_is_no_state_dict_is_refused():
    with pytest.raises(ValueError, match=r"no state dict: got dict"):
        state_dict(saved(a=torch.ones(2), classes=["x"]), "x")
    with pytest.raises(ValueError, match=r"cannot be loaded safely"):
        state_dict(b"no checkpoint", "x")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"feat_type": "tf"}, "feat_type=tf, expected pt or pt_mel"),
        ({"block_2d_type": "convnext_like_relu"}, "block_2d_type=convnext_like_relu, expected convnext_like or basic"),
        ({"spec_params": {"norm_signal": True}}, "spec_params.norm_signal=True, expected False"),
    ],
)
def test_settings_that_no_tensor_shows_are_refused(settings: dict[str, Any], named: str):
    """IDRnD's, beside the state dict."""
    known = {"F": 72, "hop_length": 160, "spec_params": {"do_spec_aug": False, "freq_mask_width": (0, 6)}}
    weights = {"a": torch.ones(2)}
    assert list(state_dict(saved(state_dict=weights, model_config=known), "x")) == ["a"]
    with pytest.raises(ValueError, match=rf"another model than ReDimNet on its features: got {named}.* At x, model_co"):
        state_dict(saved(state_dict=weights, model_config=known | settings), "x")


@pytest.mark.parametrize("size", [50, 100_000])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(size: int, kept: float):
    whole = saved(a=torch.ones(size))
    with pytest.raises(ValueError, match=r"damaged file: got \d+ bytes without their end, .* At x\. Fetch it again"):
        state_dict(whole[: int(len(whole) * kept)], "x")


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.3, 0.6, 0.99])
def test_an_older_file_cut_short_is_refused(kept: float):
    """As PyTorch wrote before 1.6, without a table of contents."""
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(50)}, buffer, _use_new_zipfile_serialization=False)
    assert list(state_dict(buffer.getvalue(), "x")) == ["a"]
    with pytest.raises(ValueError, match=r"cannot be loaded safely: got \w+ \(.* At x\."):
        state_dict(buffer.getvalue()[: int(len(buffer.getvalue()) * kept)], "x")


class Harmful:
    """Would make a folder when unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_no_code_is_run(tmp_path: Path):
    harmful = saved(a=torch.ones(2), b=Harmful(tmp_path / "made"))
    with pytest.raises(ValueError, match=r"cannot be loaded safely"):
        state_dict(harmful, "x")
    assert not (tmp_path / "made").exists()
