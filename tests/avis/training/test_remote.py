"""Checkpoints that a thread writes: as they were when saved, and what becomes of one that cannot be written."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avis import store
from avis.checkpoints.run_checkpoints import BEST, LAST
from avis.storage_fault import StorageError
from avis.training.remote import CheckpointsAt

FAULT = StorageError("storage does not answer: got a timeout, expected an answer. At s3://a. Wait.")


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names that cannot be written, until they are taken out."""
    names: list[str] = []
    write_file = store.write_file

    def write(uri: str, content: Any) -> None:
        if Path(uri).stem in names:
            raise FAULT
        write_file(uri, content)

    monkeypatch.setattr(store, "write_file", write)
    return names


def test_a_checkpoint_is_what_was_saved_whatever_becomes_of_it_meanwhile(tmp_path: Path):
    checkpoints, weights = CheckpointsAt(str(tmp_path)), torch.zeros(1_000_000)
    checkpoints.save_checkpoint({"weights": weights}, LAST)
    weights += 1
    checkpoints.teardown()
    assert torch.load(tmp_path / "checkpoints" / f"{LAST}.ckpt")["weights"].sum() == 0


def test_a_last_checkpoint_that_cannot_be_written_is_said_and_the_next_takes_its_place(
    tmp_path: Path, faulty: list[str], capsys: pytest.CaptureFixture[str]
):
    checkpoints = CheckpointsAt(str(tmp_path))
    faulty.append(LAST)
    checkpoints.save_checkpoint({"step": 1}, LAST)
    checkpoints.save_checkpoint({"step": 2}, BEST)
    assert "warning: storage does not answer" in capsys.readouterr().out
    faulty.clear()
    checkpoints.save_checkpoint({"step": 3}, LAST)
    checkpoints.teardown()
    assert torch.load(tmp_path / "checkpoints" / f"{LAST}.ckpt") == {"step": 3}


@pytest.mark.parametrize("name", [BEST, LAST])
def test_a_training_does_not_end_well_without_a_checkpoint_of_each_name(tmp_path: Path, faulty: list[str], name: str):
    checkpoints = CheckpointsAt(str(tmp_path))
    faulty.append(name)
    checkpoints.save_checkpoint({"step": 1}, name)
    with pytest.raises(StorageError):
        checkpoints.teardown()
