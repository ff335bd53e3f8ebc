"""What does not go together is refused before there is any audio."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avis.augment import mixup
from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from avis.engine.rehearse import rehearse
from avis.training import module
from tests.compositions import CONFIGS, composed

PAIRS = ["trainer.utterances_per_speaker=2"]
IN_STEP = ["features.placement=device"]
TWO_WORKERS = ["compute=cluster", "compute.num_workers=2", "compute.use_gpu=false"]  # which needs no cluster to be told


def rehearsed(*overrides: str) -> None:
    rehearse(Recipe.of(resolve(composed("train", "compute=debug", *overrides))))


@pytest.mark.few(2)
@pytest.mark.parametrize("loss", sorted(path.stem for path in (CONFIGS / "loss").glob("*.yaml")))
def test_every_loss_goes_with_pairs(loss: str):
    if loss != "distillation":
        rehearsed(f"loss={loss}", *PAIRS)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss=angular_prototypical"], r"got utterances_per_speaker=1.* At trainer\.utterances_per_speaker"),
        (["loss=triplet"], r"a batch lacks pairs.* At trainer\.utterances_per_speaker"),
        (["features=raw"], r"given waveforms: got model\.num_mels=1.* model=rawnet3"),
        (
            ["model=rawnet3", "features=fbank_80"],
            r"RawNet3 filters waveforms itself: got features\.shape=\[2, 98, 80\]",
        ),
        (["model=adapter_mfa"], r"got features\.shape=\[2, 98, 80\], expected .*mels = 25600"),
        (["model=resnet34_small", "model/pooling=correlation", "features=fbank_60"], r"got channels=512 with rows=10"),
        (["trainer.mixup_alpha=0.2"], r"expected device.* At trainer\.mixup_alpha"),
        (
            ["trainer.mixup_alpha=0.2", *IN_STEP, "loss=ge2e", *PAIRS],
            r"loss of groups under mixup: .*with Ge2e, expected 0.* At trainer\.mixup_alpha",
        ),
        (["features=sinc_80", *IN_STEP, "trainer.crop_s=0.01"], r"crop shorter than a frame"),
        (["features.placement=materialize", *PAIRS], r"placement=materialize, expected 1"),
        (
            ["trainer.crop_s=[0.6,3.0]"],
            r"got crop_s=\[0\.6, 3\.0\] and placement=stream, expected device.* At trainer\.crop_s",
        ),
        (["trainer.crop_s=[3.0,0.6]"], r"expected one, or the shortest and the longest.* At trainer\.crop_s"),
        (
            ["trainer.precision=16-mixed", "compute.use_gpu=false"],
            r"got precision=16-mixed on CPUs.* At trainer\.precision\. Set trainer\.precision=auto",
        ),
        (["optimizer.lr=-1"], r"cannot take a step: got ValueError \(Invalid learning rate"),
        (["trainer.crop_s=0.01"], r"crop shorter than a frame: got trainer\.crop_s=0\.01 s.* At trainer\.crop_s"),
        (["trainer.batch_size=1"], r"local batch of 1: got trainer\.batch_size=1 for 1 workers, expected at least 2"),
        ([*TWO_WORKERS, "trainer.batch_size=2"], r"local batch of 1: .*for 2 workers, expected at least 4"),
        ([*TWO_WORKERS, "trainer.batch_size=3"], r"local batch of 1: got trainer\.batch_size=3 for 2 workers"),
        (
            ["loss=ge2e", *PAIRS, *TWO_WORKERS, "compute.num_workers=3", "trainer.batch_size=4"],
            r"workers without examples: got trainer\.batch_size=4 for 3 workers, expected 6 or more",
        ),
        (
            ["loss=ge2e", *PAIRS, "trainer.batch_size=2"],
            r"one speaker in a batch: got trainer\.batch_size=2 and 2 utterances per speaker, expected 4 or more",
        ),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, list) else "",
)
def test_what_does_not_go_together(overrides: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        rehearsed(*overrides)


@pytest.mark.parametrize("loss", [["loss=aam_softmax"], ["loss=triplet", *PAIRS]], ids=["classes", "pairs"])
def test_mixup_and_a_front_end_that_learns_are_rehearsed(loss: list[str], monkeypatch: pytest.MonkeyPatch):
    mixed: list[int] = []

    def watched(waveforms: torch.Tensor, **drawn: Any) -> mixup.Mixed:
        mixed.append(len(waveforms))
        return mixup.mixup(waveforms, **drawn)

    monkeypatch.setattr(module, "mixup", watched)
    rehearsed("features=sinc_80", *IN_STEP, "trainer.mixup_alpha=0.2", *loss)
    assert mixed == [4 if PAIRS[0] in loss else 2]


def test_a_batch_of_one_will_do_without_batch_normalisation():
    rehearsed("model=mhfa", "model.num_mels=80", "model.num_layers=1", "trainer.batch_size=1")


def test_a_wrong_teacher(tmp_path: Path):
    torch.save({"state_dict": {}}, tmp_path / "best.ckpt")
    with pytest.raises(ValueError, match=r"best\.ckpt"):
        rehearsed("loss=distillation", f"loss.teacher_checkpoint={tmp_path / 'best.ckpt'}")
