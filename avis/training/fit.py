"""Run a training over a stream of batches with Lightning."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from avis import location
from avis.checkpoints.run_checkpoints import last_checkpoint
from avis.run_folder import CSV, TENSORBOARD
from avis.training.faster_step import precision_at_hand, prepare
from avis.training.module import SpeakerVerifier
from avis.training.profiling import Profile
from avis.training.progress import EpochStream, Progress
from avis.training.remote import CheckpointsAt, local_logs
from avis.training.run_events import Beginning
from avis.training.saving import Saving, Stopped
from avis.training.settings import Training
from avis.training.step_log import StepLog
from avis.training.usage import Usage

VALIDATION_BATCH = 64

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def fit(
    module: SpeakerVerifier,
    batches: Iterable[dict[str, Tensor]],
    validation: tuple[dict[str, Tensor], list[str]],
    *,
    settings: Training,
    run_dir: str,
    data_cpus: float,
    stop_asked: Callable[[], bool],
    moving: bool = False,
    trackers: Sequence[Logger] = (),
    **distribution: Any,
) -> None:
    """Train to the end of the plan, or until asked to stop; go on from the run's last checkpoint if it has one.

    Writes ``checkpoints/best.ckpt`` (lowest error rate on held-out speakers), ``checkpoints/last.ckpt``, the one before
    as ``last-1.ckpt``, and logs for TensorBoard and as CSV below ``run_dir``, a local folder or a URI.

    Parameters
    ----------
    batches : iterable of dict
        The examples of `avis.training.examples.ExampleMaker.block`, from the first step that is still to do.
    validation : tuple
        This worker's share of the held-out utterances; see `avis.training.examples.validation_examples`.
    data_cpus : float
        CPUs that make examples beside the training; 0 if ``batches`` makes them in this process.
    stop_asked : callable
        See `avis.training.saving.Saving`.
    moving : bool
        Say how far the training is in one line that is redrawn; see `avis.training.progress.Progress`.
    trackers : sequence of Logger
        To which the figures go beside the files.
    **distribution
        Strategy, plugins and devices for the Lightning trainer.
    """
    on_gpu = torch.cuda.is_available() and distribution.get("accelerator") != "cpu"
    prepare(module, module.model, settings, on_gpu=on_gpu)
    stream = EpochStream(batches, module.steps_per_epoch)
    progress = Progress(stream, interval_s=settings.log_interval_s, data_cpus=data_cpus, moving=moving)
    saving = Saving(
        run_dir,
        average_epochs=settings.average_epochs,
        checkpoint_minutes=settings.checkpoint_minutes,
        stop_asked=stop_asked,
    )
    watching = [
        Beginning(run_dir, steps_per_epoch=module.steps_per_epoch),
        Usage(stream, interval_s=settings.log_interval_s, data_cpus=data_cpus),
    ]
    profiling = [Profile(run_dir, steps=module.num_epochs * module.steps_per_epoch)] if settings.profile else []
    plugins = [CheckpointsAt(run_dir), *distribution.pop("plugins", [])]
    with local_logs(run_dir) as (logs, copying):
        num_logs = len(location.names_in(location.join(run_dir, CSV)))
        files = [TensorBoardLogger(logs, name=TENSORBOARD, version=""), CSVLogger(logs, CSV, num_logs)]
        trainer = pl.Trainer(
            max_epochs=module.num_epochs,
            precision=precision_at_hand(settings.precision, on_gpu=on_gpu),  # type: ignore[arg-type]
            benchmark=True,
            gradient_clip_val=settings.gradient_clip,
            callbacks=[*profiling, StepLog(), progress, *watching, *copying, saving],
            plugins=plugins,
            logger=[*files, *trackers],
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **distribution,
        )
        # `Saving` tells the workers when to stop; Lightning's own way has each wait for its device in every step
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        with contextlib.suppress(Stopped):
            trainer.fit(module, stream, _loader(*validation), ckpt_path=last_checkpoint(run_dir), weights_only=True)


def exchange(settings: Training, num_workers: int) -> dict[str, Any]:
    """Return what DDP is told of the exchange between workers: gradients in place, statistics that are alike not.

    DDP groups gradients anew after its first step unless it looks for unused parameters, and where a gradient lies in
    its group decides in which order those of three workers or more are added.
    """
    return {
        "gradient_as_bucket_view": True,
        "broadcast_buffers": not settings.sync_batchnorm,
        "find_unused_parameters": num_workers > 2,
    }


def _loader(inputs: dict[str, Tensor], speakers: list[str]) -> DataLoader[Any]:
    slices = [slice(start, start + VALIDATION_BATCH) for start in range(0, len(speakers), VALIDATION_BATCH)]
    shares = [({key: value[part] for key, value in inputs.items()}, speakers[part]) for part in slices]
    return DataLoader(shares, batch_size=None)  # type: ignore[arg-type]
