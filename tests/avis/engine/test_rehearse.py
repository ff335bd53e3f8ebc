"""What does not go together is refused before there is any audio."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from avis.engine.rehearse import rehearse

CONFIGS = Path(__file__).parents[3] / "configs"
PAIRS = ["trainer.utterances_per_speaker=2"]


def rehearsed(*overrides: str) -> None:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", list(overrides))
    rehearse(Recipe.of(resolve(cfg)))


@pytest.mark.parametrize("loss", sorted(path.stem for path in (CONFIGS / "loss").glob("*.yaml")))
def test_every_loss_goes_with_pairs(loss: str):
    if loss != "distillation":
        rehearsed(f"loss={loss}", *PAIRS)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss=angular_prototypical"], r"got utterances_per_speaker=1.* At trainer\.utterances_per_speaker"),
        (["loss=triplet"], r"a batch lacks pairs.* At trainer\.utterances_per_speaker"),
        (["features=raw"], r"given waveforms: got model\.num_mels=1.* model=rawnet3"),
        (
            ["model=rawnet3", "features=fbank_80"],
            r"RawNet3 filters waveforms itself: got features\.shape=\[1, 100, 80\]",
        ),
        (["model=adapter_mfa"], r"got features\.shape=\[1, 100, 80\], expected .*mels = 25600"),
        (["model=resnet34_small", "model/pooling=correlation", "features=fbank_60"], r"got channels=512 with rows=10"),
        (["trainer.mixup_alpha=0.2"], r"expected device.* At trainer\.mixup_alpha"),
        (["features.placement=materialize", *PAIRS], r"placement=materialize, expected 1"),
        (
            ["trainer.crop_s=[0.6,3.0]"],
            r"got crop_s=\[0\.6, 3\.0\] and placement=stream, expected device.* At trainer\.crop_s",
        ),
        (["trainer.crop_s=[3.0,0.6]"], r"expected one, or the shortest and the longest.* At trainer\.crop_s"),
        (
            ["trainer.precision=16-mixed", "compute=debug", "compute.use_gpu=false"],
            r"got precision=16-mixed on CPUs.* At trainer\.precision\. Set trainer\.precision=auto",
        ),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else "",
)
def test_what_does_not_go_together(overrides: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        rehearsed(*overrides)


def test_a_wrong_teacher(tmp_path: Path):
    torch.save({"state_dict": {}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match=r"best\.ckpt"):
        rehearsed("loss=distillation", f"loss.teacher_checkpoint={tmp_path / 'best.ckpt'}")
