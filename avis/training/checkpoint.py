"""Find and read the checkpoints of a run."""

from typing import Any

import torch

from avis import location

FOLDER, BEST, LAST = "checkpoints", "best", "last"


def last_checkpoint(run_dir: str) -> str | None:
    """Return the checkpoint that a run goes on from, if there is one."""
    path = location.join(run_dir, FOLDER, f"{LAST}.ckpt")
    return path if location.exists(path) else None


def best_checkpoint(run_dir: str) -> str:
    """Return the checkpoint with the lowest error rate on held-out speakers."""
    return location.join(run_dir, FOLDER, f"{BEST}.ckpt")


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
