"""Teachers of a distillation: of the student's features, or refused before anything starts."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from avis.checkpoints.teacher import find_teachers

FBANK = {"_target_": "avis.features.chain.Chain", "dim": 80, "steps": [{"_target_": "Fbank", "low_hz": 20.0}, {}]}


def front_end(*, low_hz: float = 20.0) -> dict[str, Any]:
    return FBANK | {"steps": [FBANK["steps"][0] | {"low_hz": low_hz}, {}]}


def joint_loss(teacher: str) -> dict[str, Any]:
    """Return a loss whose teacher is one part of it."""
    return {"classification": {"teacher_checkpoint": teacher, "distance": "cosine"}, "comparison_weight": 1.0}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    features, sharding = {"front_end": FBANK, "placement": "stream"}, {"sample_rate": 16000, "seed": 3}
    recipe = {"model": {}, "features": features, "sharding": sharding}
    saved = {"recipe": recipe, "state_dict": {"model.weight": torch.zeros(2)}, "speakers": [], "epoch": 0}
    torch.save(saved | {"global_step": 0}, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def test_a_teacher_on_the_same_features_is_found_from_any_folder(teacher: Path):
    """Ray's workers have another working directory."""
    loss = joint_loss(os.path.relpath(teacher))
    located = find_teachers(loss, front_end(), sample_rate=16000)
    assert located == joint_loss(str(teacher))
    assert loss == joint_loss(os.path.relpath(teacher))


@pytest.mark.parametrize(
    ("low_hz", "sample_rate", "message"),
    [
        (60.0, 16000, r"got features\.front_end\.steps\.0\.low_hz=60\.0, expected 20\.0"),
        (20.0, 8000, r"got sharding\.sample_rate=8000, expected 16000"),
    ],
)
def test_a_teacher_of_other_features_is_refused(teacher: Path, low_hz: float, sample_rate: int, message: str):
    with pytest.raises(ValueError, match=f"teacher of other features: {message}.*At {teacher}"):
        find_teachers(joint_loss(str(teacher)), front_end(low_hz=low_hz), sample_rate=sample_rate)


def test_a_teacher_whose_front_end_learnt_is_refused(teacher: Path):
    learnt = torch.load(teacher, weights_only=True)
    learnt["state_dict"]["front_end.layer_weights"] = torch.zeros(3)
    torch.save(learnt, teacher)
    with pytest.raises(ValueError, match=r"got a front end that learnt, features=avis\.features\.chain\.Chain"):
        find_teachers(joint_loss(str(teacher)), front_end(), sample_rate=16000)


def test_other_losses_stay_as_they_are():
    loss = {"_target_": "avis.losses.softmax.Softmax", "scale": None}
    assert find_teachers(loss, front_end(), sample_rate=16000) == loss
