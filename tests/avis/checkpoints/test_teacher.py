"""Teachers of a distillation: of the student's features, or refused before anything starts."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from avis.checkpoints.teacher import find_teachers

FBANK = {"_target_": "avis.features.chain.Chain", "dim": 80, "steps": [{"_target_": "Fbank", "low_hz": 20.0}, {}]}


def recipe(teacher: str = "", *, sample_rate: int = 16000, low_hz: float = 20.0) -> dict[str, Any]:
    """Return a recipe whose teacher is one part of a joint loss."""
    front_end = FBANK | {"steps": [FBANK["steps"][0] | {"low_hz": low_hz}, {}]}
    loss = {"classification": {"teacher_checkpoint": teacher, "distance": "cosine"}, "comparison_weight": 1.0}
    sharding = {"sample_rate": sample_rate, "seed": 3}
    return {"features": {"front_end": front_end, "placement": "stream"}, "sharding": sharding, "loss": loss}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    torch.save({"recipe": recipe(), "state_dict": {"model.weight": torch.zeros(2)}}, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def test_a_teacher_on_the_same_features_is_found_from_any_folder(teacher: Path, monkeypatch: pytest.MonkeyPatch):
    """Ray's workers have another working directory; where features are computed does not matter."""
    monkeypatch.chdir(teacher.parent)
    student = recipe("best.ckpt")
    student["features"]["placement"] = "device"
    found = find_teachers(student)
    assert found["loss"]["classification"]["teacher_checkpoint"] == str(teacher)
    assert found | {"loss": student["loss"]} == student
    assert os.path.basename(student["loss"]["classification"]["teacher_checkpoint"]) == "best.ckpt"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"low_hz": 60.0}, r"got features\.front_end\.steps\.0\.low_hz=60\.0, expected 20\.0"),
        ({"sample_rate": 8000}, r"got sharding\.sample_rate=8000, expected 16000"),
    ],
)
def test_a_teacher_of_other_features_is_refused(teacher: Path, setting: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"teacher of other features: {message}.*At {teacher}"):
        find_teachers(recipe(str(teacher), **setting))


def test_a_teacher_whose_front_end_learnt_is_refused(teacher: Path):
    learnt = torch.load(teacher, weights_only=True)
    learnt["state_dict"]["front_end.layer_weights"] = torch.zeros(3)
    torch.save(learnt, teacher)
    with pytest.raises(ValueError, match=r"got a front end that learnt, features=avis\.features\.chain\.Chain"):
        find_teachers(recipe(str(teacher)))


def test_other_losses_stay_as_they_are():
    student = recipe() | {"loss": {"_target_": "avis.losses.softmax.Softmax", "scale": None}}
    assert find_teachers(student) == student
