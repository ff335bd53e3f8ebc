"""Run a training over a stream of batches with Lightning."""

import logging
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from avis import location
from avis.checkpoints.run_checkpoints import BEST, EPOCH, LAST, last_checkpoint
from avis.run_folder import CHECKPOINTS
from avis.training.examples import STAGES
from avis.training.module import SpeakerVerifier
from avis.training.remote import CheckpointsAt, local_logs, local_name
from avis.training.waiting import shortage

VALIDATION_BATCH = 64

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


class EpochStream:
    """Cut one endless stream of batches into epochs, and measure the time spent waiting for it, and for its first."""

    def __init__(self, batches: Iterable[dict[str, Tensor]], steps_per_epoch: int) -> None:
        self.batches: Iterator[dict[str, Tensor]] = iter(batches)
        self.steps_per_epoch = steps_per_epoch
        self.waited_s = 0.0
        self.first_wait_s: float | None = None

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for _ in range(self.steps_per_epoch):
            started = time.perf_counter()
            batch = next(self.batches, None)
            assert batch is not None, "the stream ended before its plan"
            wait_s = time.perf_counter() - started
            self.waited_s += wait_s
            if self.first_wait_s is None:
                self.first_wait_s = wait_s
            yield batch


class Progress(pl.Callback):
    """Log samples per second and the share of time spent waiting for data; say so on the console now and then."""

    def __init__(self, stream: EpochStream, *, interval_s: float, data_cpus: float) -> None:
        self.stream, self.interval_s, self.data_cpus = stream, interval_s, data_cpus

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self.said = time.perf_counter()
        self._count_from(self.said)

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
        if last_batch or now - self.said >= self.interval_s:
            elapsed = now - self.started
            module.log("train/samples_per_s", self.samples / elapsed)
            module.log("train/waiting_share", (self.stream.waited_s - self.waited_s) / elapsed)
            self._say(trainer, f"train {batch_idx + 1}/{self.stream.steps_per_epoch}")
            self.said = now
        if last_batch:
            if trainer.is_global_zero:
                self._say_shortage(elapsed)
            self._count_from(now)

    def _say_shortage(self, elapsed_s: float) -> None:
        """Say what was short, the wait for the very first batch left out: no setting shortens a stream's start."""
        start_s = 0.0 if self.waited_s else self.stream.first_wait_s or 0.0
        waited_s, elapsed_s = self.stream.waited_s - self.waited_s - start_s, elapsed_s - start_s
        said = shortage(waited_s / elapsed_s, self.seconds, elapsed_s, self.data_cpus)
        if said:
            print(said, flush=True)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Report the held-out error rate, and leave the validation out of the pace."""
        self._say(trainer, "val")
        self.started = time.perf_counter()

    def _say(self, trainer: pl.Trainer, place: str) -> None:
        if trainer.is_global_zero:
            names = (name for name in trainer.callback_metrics if name.startswith(place.split()[0]))
            numbers = "  ".join(f"{name.split('/')[1]} {float(trainer.callback_metrics[name]):.4g}" for name in names)
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs} {place}  {numbers}", flush=True)


def fit(
    module: SpeakerVerifier,
    batches: Iterable[dict[str, Tensor]],
    validation: tuple[dict[str, Tensor], list[str]],
    *,
    run_dir: str,
    precision: str,
    gradient_clip: float,
    log_interval_s: float,
    average_epochs: int,
    data_cpus: float,
    **distribution: Any,
) -> None:
    """Train to the end of the plan; go on from the run's last checkpoint if it has one.

    Writes ``checkpoints/best.ckpt`` (lowest error rate on held-out speakers), ``checkpoints/last.ckpt`` and logs for
    TensorBoard and as CSV below ``run_dir``, a local folder or a URI.

    Parameters
    ----------
    batches : iterable of dict
        The examples of `avis.training.examples.ExampleMaker.block`, from the first epoch that is still to do.
    validation : tuple
        This worker's share of the held-out utterances; see `avis.training.examples.validation_examples`.
    precision : str
        Lightning's word for it, or ``auto``: 16-bit mixed precision on GPUs, 32-bit elsewhere.
    gradient_clip : float
        Largest norm of the gradient.
    log_interval_s : float
        Seconds between reports within an epoch.
    average_epochs : int
        So many last epochs are kept, to be averaged.
    data_cpus : float
        CPUs that make examples beside the training; 0 if ``batches`` makes them in this process.
    **distribution
        Strategy, plugins and further callbacks for the Lightning trainer.
    """
    stream = EpochStream(batches, module.steps_per_epoch)
    checkpoints = location.join(run_dir, CHECKPOINTS)
    keep = partial(
        ModelCheckpoint,
        dirpath=local_name(checkpoints),
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )
    # Two of them, since Lightning's save_last leaves out the epochs that are not the best.
    kept = [keep(filename=BEST, monitor="val/eer", mode="min"), keep(filename=LAST)]
    if average_epochs:
        kept.append(keep(filename=f"{EPOCH}{{epoch}}", monitor="epoch", mode="max", save_top_k=average_epochs))
    if precision == "auto":
        precision = "16-mixed" if torch.cuda.is_available() else "32-true"
    callbacks = [
        *kept,
        Progress(stream, interval_s=log_interval_s, data_cpus=data_cpus),
        *distribution.pop("callbacks", []),
    ]
    plugins = [CheckpointsAt(checkpoints), *distribution.pop("plugins", [])]
    inputs, speakers = validation
    slices = [slice(start, start + VALIDATION_BATCH) for start in range(0, len(speakers), VALIDATION_BATCH)]
    shares = [({key: value[part] for key, value in inputs.items()}, speakers[part]) for part in slices]
    held_out: DataLoader[Any] = DataLoader(shares, batch_size=None)  # type: ignore[arg-type]
    with local_logs(run_dir) as (logs, copying):
        num_logs = len(location.names_in(location.join(run_dir, "csv")))
        trainer = pl.Trainer(
            max_epochs=module.num_epochs,
            precision=precision,  # type: ignore[arg-type]
            gradient_clip_val=gradient_clip,
            callbacks=[*callbacks, *copying],
            plugins=plugins,
            logger=[TensorBoardLogger(logs, name="tensorboard", version=""), CSVLogger(logs, "csv", num_logs)],
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **distribution,
        )
        trainer.fit(module, stream, held_out, ckpt_path=last_checkpoint(run_dir), weights_only=True)
