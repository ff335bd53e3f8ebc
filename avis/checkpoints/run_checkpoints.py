"""Find and average the checkpoints of a run."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from avis import location, store
from avis.checkpoints.ancestry import LINEAGE, parents, read_lineage
from avis.checkpoints.checkpoint import FIELDS, HISTORY, Checkpoint, read_checkpoint
from avis.lineage import Lineage
from avis.run_folder import CHECKPOINTS

BEST, LAST, BEFORE_LAST, AVERAGE = "best", "last", "last-1", "average"
EPOCH = "epoch-"
"""Start of the names of the checkpoints that are kept to be averaged."""
HELD_OUT = "val/eer"
"""The error rate on held-out speakers, by which the best checkpoint is chosen; each holds its own."""


class Position(NamedTuple):
    """Where a training goes on: in which epoch, and how many steps of it are done."""

    epoch: int
    step: int


START = Position(0, 0)


class Last(NamedTuple):
    """The newest checkpoint of a run that can be read, and why a newer one cannot."""

    path: str
    content: Mapping[str, Any]
    unreadable: str | None

    @property
    def position(self) -> Position:
        """Where the training goes on that left it."""
        streams = self.content["loops"]["fit_loop"]["state_dict"].get("combined_loader")
        step, of = (streams[0]["step"], streams[0]["steps_per_epoch"]) if streams else (0, 0)
        epoch = int(self.content["epoch"])
        return Position(epoch + 1, 0) if step == of else Position(epoch, step)


def last_checkpoints(run_dir: str) -> list[str]:
    """Return the checkpoints that a run can go on from, the newest first."""
    paths = [location.join(run_dir, CHECKPOINTS, f"{name}.ckpt") for name in (LAST, BEFORE_LAST)]
    return [path for path in paths if location.exists(path)]


def last_checkpoint(run_dir: str) -> str | None:
    """Return the newest checkpoint of a run, if there is one."""
    return next(iter(last_checkpoints(run_dir)), None)


def read_last(run_dir: str) -> Last | None:
    """Read the checkpoint that a run goes on from: the newest, or the one before it where that is damaged.

    Raises
    ------
    ValueError
        If there are some and all are damaged.
    StorageError
        If one cannot be reached, which is no damage.
    """
    unreadable = None
    for path in last_checkpoints(run_dir):
        try:
            _check_sums(path)
            return Last(path, read_checkpoint(path), unreadable)
        except ValueError as error:
            unreadable = unreadable or str(error)
    if unreadable is None:
        return None
    raise ValueError(
        f"run cannot go on: got no checkpoint that can be read ({unreadable}), expected {LAST}.ckpt or "
        f"{BEFORE_LAST}.ckpt. At {location.join(run_dir, CHECKPOINTS)}. Put one of them back, or start another run, "
        f"with start_from={best_checkpoint(run_dir)} if that can be read."
    )


def _check_sums(path: str) -> None:
    """Refuse a file, which torch writes as a zip archive, of which a part is not as it was written: torch does not."""
    with location.open_seekable(path) as file:
        try:
            part = zipfile.ZipFile(file).testzip()
        except zipfile.BadZipFile as error:
            part = str(error)
    if part is not None:
        raise ValueError(
            f"checkpoint damaged: got another checksum ({part}), expected that of what was written. At {path}. "
            "Put it back as it was."
        )


def best_checkpoint(run_dir: str) -> str:
    """Return the checkpoint with the lowest error rate on held-out speakers."""
    return location.join(run_dir, CHECKPOINTS, f"{BEST}.ckpt")


def run_history(run_dir: str) -> list[dict[str, float]]:
    """Return what each epoch of a run came to; of a run that an earlier version finished, nothing."""
    last = read_last(run_dir)
    return last.content.get(HISTORY, []) if last else []


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
    torch.save({key: average[key] for key in (*FIELDS, HISTORY, LINEAGE) if key in average}, buffer)
    store.write_bytes(path, buffer.getvalue())
    return path


def next_position(run_dir: str) -> Position:
    """Return where a run goes on."""
    last = read_last(run_dir)
    return last.position if last else START


def best_error_rate(run_dir: str) -> float | None:
    """Return the error rate on held-out speakers of the best checkpoint, which it holds itself, if there is one."""
    path = best_checkpoint(run_dir)
    if not location.exists(path):
        return None
    states = read_checkpoint(path).get("callbacks", {}).items()
    rates = [state.get(HELD_OUT, state.get("best_model_score")) for key, state in states if _chose_best(key, state)]
    return float(rates[0]) if rates else None


def _chose_best(key: str, state: Mapping[str, Any]) -> bool:
    """Tell the state of what saved the checkpoint: today's, or that of Lightning's own in runs of earlier versions."""
    return HELD_OUT in state or (key.startswith("ModelCheckpoint") and HELD_OUT in key)


def find_ancestors(recipe: Mapping[str, Any], run_dir: str | None = None) -> Lineage:
    """Return what the models were trained on that a training starts from and is taught by.

    A run that goes on has that in its last checkpoint, wherever theirs are by now.

    Raises
    ------
    ValueError
        If one of them is not a checkpoint of AVIS.
    """
    paths = [location.absolute(path) for path in parents(recipe)]
    if paths and run_dir and (last := read_last(run_dir)):
        return read_lineage(last.content, last.path).before
    return Lineage.joined(Checkpoint.open(path).inherited for path in paths)
