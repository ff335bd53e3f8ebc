"""Find and average the checkpoints of a run."""

import io
from typing import Any

import torch

from avis import location, store
from avis.checkpoints.ancestry import LINEAGE
from avis.checkpoints.checkpoint import FIELDS, read_checkpoint
from avis.run_folder import CHECKPOINTS

BEST, LAST, AVERAGE = "best", "last", "average"
EPOCH = "epoch-"
"""Start of the names of the checkpoints that are kept to be averaged."""


def last_checkpoint(run_dir: str) -> str | None:
    """Return the checkpoint that a run goes on from, if there is one."""
    path = location.join(run_dir, CHECKPOINTS, f"{LAST}.ckpt")
    return path if location.exists(path) else None


def best_checkpoint(run_dir: str) -> str:
    """Return the checkpoint with the lowest error rate on held-out speakers."""
    return location.join(run_dir, CHECKPOINTS, f"{BEST}.ckpt")


def average_checkpoint(run_dir: str, num_epochs: int) -> str:
    """Average the weights of a run's last epochs, running statistics of normalisation included, into one checkpoint.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018; over epochs and
    with averaged statistics as ``wespeaker/bin/average_model.py`` does it.
    """
    folder = location.join(run_dir, CHECKPOINTS)
    path = location.join(folder, f"{AVERAGE}.ckpt")
    names = [name for name in location.names_in(folder) if name.startswith(EPOCH) and name.endswith(".ckpt")]
    numbers = sorted(int(name.removeprefix(EPOCH).removesuffix(".ckpt")) for name in names)
    assert len(numbers) >= num_epochs, f"{len(numbers)} epochs kept, {num_epochs} to be averaged"
    average: dict[str, Any] = {}
    for number in numbers[-num_epochs:]:
        average, before = read_checkpoint(location.join(folder, f"{EPOCH}{number}.ckpt")), average
        for key, value in average["state_dict"].items() if before else ():
            if value.is_floating_point():
                value += before["state_dict"][key]
    for value in average["state_dict"].values():
        if value.is_floating_point():
            value /= num_epochs
    buffer = io.BytesIO()
    torch.save({key: average[key] for key in (*FIELDS, LINEAGE) if key in average}, buffer)
    store.write_bytes(path, buffer.getvalue())
    return path


def next_epoch(run_dir: str) -> int:
    """Return the epoch that a run goes on with."""
    path = last_checkpoint(run_dir)
    return read_checkpoint(path)["epoch"] + 1 if path else 0
