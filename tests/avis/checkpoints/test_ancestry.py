"""A lineage in a checkpoint: kept as plain data, partly known of older files, refused where it is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avis.checkpoints.ancestry import lineage_fields, parents, read_lineage
from avis.lineage import Lineage, TrainedOn

LINEAGE = Lineage(
    (
        TrainedOn(model="s3://lab/first.ckpt", digest="ab", speakers=["vox/a"], audio=np.array([1, 5])),
        TrainedOn(model="imported.ckpt", digest="cd"),
    )
).then(TrainedOn(speakers=["cn/b", "cn/c"], audio=np.arange(-3, 3)))


def test_what_was_kept_is_read_without_running_code(tmp_path: Path):
    torch.save(lineage_fields(LINEAGE), tmp_path / "some.ckpt")
    read = read_lineage(torch.load(tmp_path / "some.ckpt", weights_only=True), "some.ckpt")
    for one, other in zip(read.models, LINEAGE.models, strict=True):
        assert (one.model, one.digest, one.speakers) == (other.model, other.digest, other.speakers)
        assert (one.audio is None) == (other.audio is None)
        assert one.audio is None or one.audio.tolist() == other.audio.tolist()


def test_of_an_older_checkpoint_the_speakers_and_the_models_before_it_are_known():
    loss = {"_target_": "x", "classification": {"teacher_checkpoint": "teacher.ckpt"}, "scale": 3.0}
    old: dict[str, Any] = {"recipe": {"start_from": "start.ckpt", "loss": loss}, "speakers": ["vox/a"]}
    assert str(read_lineage(old, "old.ckpt")) == (
        "1 speakers of vox, utterances unknown; before that start.ckpt on unknown, cannot be checked; "
        "before that teacher.ckpt on unknown, cannot be checked"
    )
    assert len(read_lineage({"recipe": {"start_from": None}, "speakers": ["vox/a"]}, "x").models) == 1
    assert read_lineage({"recipe": {}, "speakers": []}, "x").own.speakers is None
    assert parents({"loss": {"teacher_checkpoint": None}}) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"lineage": "nothing"},
        {"lineage": {"audio": None}},
        {"lineage": {"audio": [1, 2], "before": []}},
        {"lineage": {"audio": torch.zeros(2), "before": []}},
        {"lineage": {"audio": None, "before": [{"model": 3}]}},
        {"lineage": {"audio": None, "before": [{"made_up": 3}]}},
        {"speakers": [3]},
        {"speakers": "vox/a"},
    ],
)
def test_what_is_no_lineage_is_refused(changed: dict[str, Any]):
    with pytest.raises(ValueError, match=r"not a checkpoint of AVIS: got a lineage that cannot be read .*At x\.ckpt\."):
        read_lineage(lineage_fields(LINEAGE) | changed, "x.ckpt")
