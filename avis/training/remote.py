"""Keep a run's checkpoints and logs where the run lies, at a URI too: Lightning itself writes to local folders."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pyarrow.fs as pafs
import torch
from lightning.pytorch.plugins.io import CheckpointIO
from lightning_utilities.core.apply_func import apply_to_collection

from avis import location, store
from avis.checkpoints.run_checkpoints import BEFORE_LAST, LAST, read_last
from avis.run_folder import CHECKPOINTS
from avis.whole_file import UNFINISHED


class CheckpointsAt(CheckpointIO):
    """Write checkpoints into a run's folder, at a local path or URI, whole or not at all; Lightning gives names alone.

    A thread writes them, one at a time, while the training goes on. Of the last one, the one before it is kept too.
    Should that not be written, it is said, and the next one takes its place.
    """

    def __init__(self, run_dir: str) -> None:
        self.run_dir, self.last_is_whole = run_dir, True
        self.thread, self.failed = ThreadPoolExecutor(1), dict[str, Exception]()
        self.writing: list[Future[None]] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save one under a name, as it is now, as soon as those before are written.

        Raises
        ------
        StorageError
            If another than the last could not be written before.
        """
        self._finish()
        if lost := [error for name, error in self.failed.items() if name != LAST]:
            raise lost[0]
        for error in self.failed.values():
            print(f"warning: {error} The training goes on; its next checkpoint is tried in time.", flush=True)
        kept = apply_to_collection(checkpoint, torch.Tensor, lambda values: values.detach().to("cpu", copy=True))
        self.writing.append(self.thread.submit(self._write, kept, path))

    def _write(self, checkpoint: dict[str, Any], path: str) -> None:
        try:
            buffer = io.BytesIO()
            torch.save(checkpoint, buffer)
            if path == LAST and self.last_is_whole:
                _keep(self._at(LAST), self._at(BEFORE_LAST))
            store.write_file(self._at(path), buffer)
            self.last_is_whole = self.last_is_whole or path == LAST
            self.failed.pop(path, None)
        except Exception as error:
            self.failed[path] = error

    def _finish(self) -> None:
        wait(self.writing)
        self.writing = []

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Load the last one that can be read onto the CPU."""
        last = read_last(self.run_dir)
        assert last is not None, "nothing to load"
        self.last_is_whole = last.unreadable is None
        return dict(last.content)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the one of a name, if there is one."""
        store.delete_file(self._at(path))

    def teardown(self) -> None:
        """Wait until all are written.

        Raises
        ------
        StorageError
            If one could not be written, and none of its name after it.
        """
        self._finish()
        for error in self.failed.values():
            raise error

    def _at(self, name: str) -> str:
        return location.join(self.run_dir, CHECKPOINTS, f"{name}.ckpt")


def _keep(path: str, copy: str) -> None:
    """Keep a file, if it is there, under another name as well, until it is written anew; at no time is there none."""
    if not location.exists(path):
        return
    system, source = location.filesystem(path)
    if isinstance(system, pafs.LocalFileSystem):
        linked = f"{copy}{UNFINISHED}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(linked)
        try:
            os.link(path, linked)
        except OSError:  # a file system without links
            os.replace(path, copy)
        else:
            os.replace(linked, copy)
        return
    try:
        system.copy_file(source, location.filesystem(copy)[1])
    except OSError:  # S3 copies no more than 5 GB by itself
        with location.open_seekable(path) as file:
            store.write_file(copy, file)


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
