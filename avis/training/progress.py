"""Say how far a training is, and what it waits for."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import lightning.pytorch as pl
import numpy as np
from torch import Tensor

from avis.training.examples import STAGES
from avis.training.status_line import moving_line, plain_line
from avis.training.time_left import TimeLeft
from avis.training.waiting import shortage

MOVING_INTERVAL_S = 1.0
"""Between two lines where each takes the place of the one before it."""


class EpochStream:
    """Cut one endless stream of batches into epochs, and measure the time spent waiting for it, and for its first.

    A checkpoint keeps how many steps of an epoch were handed out: a stream of the others takes up from there.
    """

    def __init__(self, batches: Iterable[dict[str, Tensor]], steps_per_epoch: int) -> None:
        self.batches: Iterator[dict[str, Tensor]] = iter(batches)
        self.steps_per_epoch = steps_per_epoch
        self.step = 0
        self.waited_s = 0.0
        self.first_wait_s: float | None = None

    def state_dict(self) -> dict[str, int]:
        """Return how many steps of this epoch were handed out, and how many it has."""
        return {"step": self.step, "steps_per_epoch": self.steps_per_epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take up after the steps of an epoch that were done before."""
        self.step = state["step"]

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        self.step %= self.steps_per_epoch
        for _ in range(self.step, self.steps_per_epoch):
            started = time.perf_counter()
            batch = next(self.batches, None)
            assert batch is not None, "the stream ended before its plan"
            wait_s = time.perf_counter() - started
            self.waited_s += wait_s
            if self.first_wait_s is None:
                self.first_wait_s = wait_s
            self.step += 1
            yield batch


class Progress(pl.Callback):
    """Log samples per second and the share of time spent waiting for data; say on the console how far the training is.

    Parameters
    ----------
    stream : EpochStream
    interval_s : float
        Seconds between two logs of the pace within an epoch, and between two lines on the console.
    data_cpus : float
        CPUs that make examples beside the training; 0 if it makes them itself.
    moving : bool
        Print a line every second that takes the place of the one before it, see `avis.training.status_line.MOVES`.
    """

    def __init__(self, stream: EpochStream, *, interval_s: float, data_cpus: float, moving: bool = False) -> None:
        self.stream, self.interval_s, self.data_cpus, self.moving = stream, interval_s, data_cpus, moving
        self.moved = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clocks."""
        self.logged = time.perf_counter()
        self.time_left = TimeLeft(
            steps_per_epoch=self.stream.steps_per_epoch,
            num_epochs=trainer.max_epochs or 0,
            step=trainer.global_step,
            now=self.logged,
        )
        self._count_from(self.logged)

    def _count_from(self, now: float) -> None:
        self.started, self.samples, self.waited_s = now, 0, self.stream.waited_s
        self.seconds = np.zeros(len(STAGES))

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: dict[str, Tensor], batch_idx: int
    ) -> None:
        """Count a batch, and report when it is time."""
        self.samples += len(batch["speaker"]) * trainer.world_size
        self.seconds += batch["seconds"].sum(dim=0).double().cpu().numpy() * trainer.world_size
        now = time.perf_counter()
        last_batch = batch_idx + 1 == self.stream.steps_per_epoch
        if last_batch or now - self.logged >= self.interval_s:
            elapsed = now - self.started
            module.log("train/samples_per_s", self.samples / elapsed)
            module.log("train/waiting_share", (self.stream.waited_s - self.waited_s) / elapsed)
            module.log("time/left_s", self._left_s(trainer, now))
            self._say(trainer, f"train {batch_idx + 1}/{self.stream.steps_per_epoch}")
            self.logged = now
        elif self.moving and now - self.moved >= MOVING_INTERVAL_S:
            self._say(trainer, f"train {batch_idx + 1}/{self.stream.steps_per_epoch}")
        if last_batch:
            if trainer.is_global_zero:
                self._say_shortage(elapsed)
            self._count_from(now)

    @property
    def _start_s(self) -> float:
        """Seconds of this count that went into waiting for the very first batch."""
        return 0.0 if self.waited_s else self.stream.first_wait_s or 0.0

    def _say_shortage(self, elapsed_s: float) -> None:
        """Say what was short, the wait for the very first batch left out: no setting shortens a stream's start."""
        waited_s, elapsed_s = self.stream.waited_s - self.waited_s - self._start_s, elapsed_s - self._start_s
        advice = shortage(waited_s / elapsed_s, self.seconds, elapsed_s, self.data_cpus)
        if advice:
            print(advice, flush=True)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Time the validation by itself."""
        self.time_left.validation_starts(time.perf_counter())

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Report the held-out error rate, and leave the validation out of the pace."""
        self.time_left.validation_ends(time.perf_counter())
        self._say(trainer, "val")
        self.started = time.perf_counter()

    def _say(self, trainer: pl.Trainer, place: str) -> None:
        if not trainer.is_global_zero:
            return
        now = time.perf_counter()
        epoch, left_s = f"{trainer.current_epoch + 1}/{trainer.max_epochs}", self._left_s(trainer, now)
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if self.moving:
            if self.samples:  # else an epoch has just ended, whose pace was logged
                figures["train/samples_per_s"] = self.samples / (now - self.started - self._start_s)
            steps = self.stream.steps_per_epoch
            step = (trainer.global_step - 1) % steps + 1
            print(moving_line(epoch, f"{step}/{steps}", figures, left_s), flush=True)
            self.moved = now
        else:
            print(plain_line(epoch, place, figures, left_s), flush=True)

    def _left_s(self, trainer: pl.Trainer, now: float) -> float:
        return self.time_left.seconds(trainer.global_step, now, start_s=self.stream.first_wait_s or 0.0)
