"""Find, read and average the checkpoints of a run."""

import io
from typing import Any

import pyarrow.fs as pafs
import torch

from avis import location, store

FOLDER, BEST, LAST, AVERAGE = "checkpoints", "best", "last", "average"
EPOCH = "epoch-"
"""Start of the names of the checkpoints that are kept to be averaged."""


def last_checkpoint(run_dir: str) -> str | None:
    """Return the checkpoint that a run goes on from, if there is one."""
    path = location.join(run_dir, FOLDER, f"{LAST}.ckpt")
    return path if location.exists(path) else None


def best_checkpoint(run_dir: str) -> str:
    """Return the checkpoint with the lowest error rate on held-out speakers."""
    return location.join(run_dir, FOLDER, f"{BEST}.ckpt")


def average_checkpoint(run_dir: str, num_epochs: int) -> str:
    """Average the weights of a run's last epochs, running statistics of normalisation included, into one checkpoint.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018; over epochs and
    with averaged statistics as ``wespeaker/bin/average_model.py`` does it.
    """
    folder = location.join(run_dir, FOLDER)
    path = location.join(folder, f"{AVERAGE}.ckpt")
    fs, root = location.filesystem(folder)
    names = [info.base_name for info in fs.get_file_info(pafs.FileSelector(root))]
    numbers = sorted(int(name.removeprefix(EPOCH).removesuffix(".ckpt")) for name in names if name.startswith(EPOCH))
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
    kept = ("state_dict", "recipe", "speakers", "epoch", "global_step")
    buffer = io.BytesIO()
    torch.save({key: average[key] for key in kept}, buffer)
    store.write_bytes(path, buffer.getvalue())
    return path


def next_epoch(run_dir: str) -> int:
    """Return the epoch that a run goes on with."""
    path = last_checkpoint(run_dir)
    return read_checkpoint(path)["epoch"] + 1 if path else 0


def read_checkpoint(path: str) -> dict[str, Any]:
    """Load a checkpoint onto the CPU without running any code in it.

    Raises
    ------
    ValueError
        If it is not a checkpoint of AVIS.
    """
    fs, name = location.filesystem(path)
    try:
        with fs.open_input_file(name) as file:
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(
            f"checkpoint missing: got no file, expected one. At {path}. Give the path of a run's best.ckpt."
        ) from error
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(
            f"not a checkpoint: got {type(error).__name__} ({first_line}), expected a file written by "
            f"pipelines/train.py. At {path}. Give the path of a run's best.ckpt."
        ) from error
    if not isinstance(checkpoint, dict) or "recipe" not in checkpoint:
        raise ValueError(
            f"not a checkpoint of AVIS: got a file without a recipe, expected one. At {path}. "
            "Give a checkpoint written by pipelines/train.py."
        )
    return checkpoint
