"""Log what a training takes: memory, GPU, and the CPU seconds that its examples cost, stage by stage."""

import importlib.util
import os
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from avis.training.examples import STAGES
from avis.training.progress import EpochStream

GIB = 2**30
MEMORY, GPU_MEMORY, GPU_USE = "system/memory_gib", "system/gpu_memory_gib", "system/gpu_use"
WORK = tuple(f"work/{stage}_s" for stage in STAGES)
"""CPU seconds that the examples of an epoch took in each stage, on all workers."""
DATA_CPUS, FIRST_WAIT = "work/data_cpus", "work/first_wait_s"
"""CPUs that make examples beside the training, and the wait for a start's very first batch, in its first epoch."""


class Usage(pl.Callback):
    """Log the first worker's memory and GPU now and then, and at the end of each epoch what its examples cost.

    Parameters
    ----------
    stream : EpochStream
    interval_s : float
        Between two logs.
    data_cpus : float
        See `avis.training.progress.Progress`.
    """

    def __init__(self, stream: EpochStream, *, interval_s: float, data_cpus: float) -> None:
        self.stream, self.interval_s, self.data_cpus = stream, interval_s, data_cpus

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self.logged, self.work, self.begins = time.monotonic(), torch.zeros(()), True

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: dict[str, Tensor], batch_idx: int
    ) -> None:
        """Add up what a batch cost, without waiting for the device, and log when it is time."""
        if not trainer.is_global_zero:
            return
        self.work = self.work.to(batch["seconds"].device) + batch["seconds"].sum(dim=0).double() * trainer.world_size
        last_batch = batch_idx + 1 == self.stream.steps_per_epoch
        if not last_batch and time.monotonic() - self.logged < self.interval_s:
            return
        figures = {"epoch": trainer.current_epoch, **usage(module.device)}
        if last_batch:
            first_wait_s = (self.stream.first_wait_s or 0.0) if self.begins else 0.0
            figures |= {DATA_CPUS: self.data_cpus, FIRST_WAIT: first_wait_s}
            figures |= dict(zip(WORK, self.work.tolist(), strict=True))
            self.work, self.begins = torch.zeros(()), False
        for logger in trainer.loggers:  # not through the module, which would repeat them at every step to come
            logger.log_metrics(figures, trainer.global_step - 1)
        self.logged = time.monotonic()


def usage(device: torch.device) -> dict[str, float]:
    """Return what this process holds in memory, and of a GPU the most it held since the last call and its use.

    The use, a share of the time in which it was busy, needs the package ``nvidia-ml-py``.
    """
    figures = {MEMORY: _resident_bytes() / GIB}
    if device.type == "cuda":
        figures[GPU_MEMORY] = torch.cuda.max_memory_allocated(device) / GIB
        torch.cuda.reset_peak_memory_stats(device)
        if importlib.util.find_spec("pynvml") is not None:
            figures[GPU_USE] = torch.cuda.utilization(device) / 100
    return figures


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
