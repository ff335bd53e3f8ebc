"""Keep a run's checkpoints and logs where the run lies, at a URI too: Lightning itself writes to local folders."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import CheckpointIO

from avis import location, store
from avis.checkpoints.checkpoint import read_checkpoint


def local_name(folder: str) -> str:
    """Return what Lightning takes for the folder of the checkpoints: a path, the same on each machine, for a URI too.

    >>> local_name("s3://bucket/runs/a/checkpoints?region=eu-west-1"), local_name("/runs/a/checkpoints")
    ('/s3/bucket/runs/a/checkpoints', '/runs/a/checkpoints')
    """
    head = location.split_query(folder)[0]
    return f"/{head.replace('://', '/')}" if location.is_uri(folder) else folder


class CheckpointsAt(CheckpointIO):
    """Write checkpoints into ``folder``, a local path or URI, whole or not at all; nothing lies in `local_name`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save one under the last part of ``path``."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        store.write_file(self._at(path), buffer)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Load the one at ``path``, a local path or URI, onto the CPU."""
        return read_checkpoint(str(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the one under the last part of ``path``."""
        store.delete_file(self._at(path))

    def _at(self, path: Any) -> str:
        return location.join(self.folder, os.path.basename(path))


class LogsAt(pl.Callback):
    """Copy the files below a local folder to the run after each epoch."""

    def __init__(self, logs: str, run_dir: str) -> None:
        self.logs, self.run_dir = Path(logs), run_dir

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Copy what there is."""
        self.copy()

    def copy(self) -> None:
        """Copy what there is; only the worker that writes logs has any."""
        for path in sorted(path for path in self.logs.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                store.write_file(location.join(self.run_dir, path.relative_to(self.logs).as_posix()), file)


@contextlib.contextmanager
def local_logs(run_dir: str) -> Iterator[tuple[str, list[pl.Callback]]]:
    """Give a local folder for logs, the run's own if it is local, and the callbacks that keep them with the run."""
    if not location.is_uri(run_dir):
        yield run_dir, []
        return
    with tempfile.TemporaryDirectory(prefix="avis-") as folder:
        logs = LogsAt(folder, run_dir)
        try:
            yield folder, [logs]
        except BaseException:
            with contextlib.suppress(OSError):  # what ended the training is what to say
                logs.copy()
            raise
        logs.copy()
