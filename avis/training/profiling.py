"""Record what the processor and the GPU do in a few steps of a training, as a trace that Chrome and Perfetto show."""

import os
import tempfile
from typing import Any

import lightning.pytorch as pl
import torch
from torch.profiler import ProfilerActivity, profile

from avis import location, store
from avis.run_folder import PROFILE

WARM_UP_STEPS = 8
"""Not recorded: memory is laid out, algorithms are chosen, the first batches are there."""
RECORDED_STEPS = 4


class Profile(pl.Callback):
    """Record `RECORDED_STEPS` steps of the first worker after `WARM_UP_STEPS`, in a short training at least the last.

    Parameters
    ----------
    run_dir : str
        The trace goes into its folder ``profile``, a file for each start of the run.
    steps : int
        Of the whole training.
    """

    def __init__(self, run_dir: str, *, steps: int) -> None:
        self.run_dir, self.steps = run_dir, steps
        self.recording: profile | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Find out where to begin."""
        self.first = min(trainer.global_step + WARM_UP_STEPS, self.steps - 1)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin to record."""
        if trainer.is_global_zero and trainer.global_step == self.first and self.recording is None:
            activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (module.device.type == "cuda")
            self.recording = profile(activities=activities, record_shapes=True, acc_events=True)
            self.recording.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the trace after the last step that it is of."""
        done = trainer.global_step
        if self.recording is not None and done >= min(self.first + RECORDED_STEPS, self.steps):
            if module.device.type == "cuda":
                torch.cuda.synchronize(module.device)
            self.recording.stop()
            self._write(self.recording, done)
            self.recording = None

    def _write(self, recording: profile, done: int) -> None:
        uri = location.join(self.run_dir, PROFILE, f"steps-{self.first + 1}-{done}.json.gz")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json.gz")
            recording.export_chrome_trace(path)
            with open(path, "rb") as file:
                store.write_file(uri, file)
        print(f"profile: {uri} (for https://ui.perfetto.dev or chrome://tracing)", flush=True)
