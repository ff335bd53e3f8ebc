"""Train on a cluster: tasks make examples, anywhere in it, and feed Ray Train workers running Lightning DDP."""

import itertools
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ray
import ray.train
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer
from torch import Tensor

from avis import location, store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import (
    START,
    Position,
    average_checkpoint,
    best_checkpoint,
    next_position,
    read_last,
    run_history,
)
from avis.engine.examples.batches import local_batches, streamed_batches
from avis.engine.examples.inputs import TrainingInputs, gather_inputs, held_out_speakers
from avis.engine.recipe import Recipe
from avis.engine.watching import reported, run_name, shown_running, watchers
from avis.engine.workers import machine
from avis.engine.workers.compute import Compute
from avis.engine.workers.console import WORKER_LINES
from avis.engine.workers.gauges import LOSSES, set_gauges
from avis.engine.workers.on_this_node import on_this_node
from avis.engine.workers.restarts import give_back, restarted
from avis.engine.workers.room import wait_for_room
from avis.engine.workers.stop_request import StopRequest, wait_for
from avis.engine.workers.stopping import STOPPING
from avis.losses.building import build_loss
from avis.losses.classifier import weigh_speakers
from avis.losses.distillation import watch_student
from avis.losses.head_memory import say_head_memory
from avis.reports.cautions import LEAST_SPEAKERS
from avis.run_folder import CHECKPOINTS, RAY_TRAIN
from avis.structured_log import LOG
from avis.training.activation_checkpointing import checkpoint_activations
from avis.training.examples import validation_examples
from avis.training.faster_step import KEPT_MEMORY
from avis.training.fit import exchange, fit
from avis.training.logger_settings import tracker_variables
from avis.training.module import SpeakerVerifier
from avis.training.run_events import LOST, note, noted


def train(recipe: Recipe, utterances: str, run_dir: str) -> Checkpoint:
    """Train the configured model on an utterances store and return its best checkpoint, or its last epochs' average.

    A run that was cut off goes on from its last checkpoint; one that is told to stop leaves one of its last step. The
    checkpoint has the history of all epochs, not of those up to the best alone.

    Raises
    ------
    ValueError
        If GPUs were asked for that are not there, the store cannot serve the recipe, or the run has no checkpoint left
        that can be read.
    KeyboardInterrupt
        If it was told to stop.
    """
    LOG.stage = "train"
    start = _start(run_dir)
    if start.epoch < recipe.trainer.num_epochs:
        recipe.compute.check_precision(recipe.trainer.precision)
        recipe.compute.connect()
        store.clear_unfinished(location.join(run_dir, CHECKPOINTS))
        num_gpus, num_workers = recipe.compute.num_gpus(), recipe.compute.num_train_workers()
        inputs = gather_inputs(recipe, utterances, num_workers[1], run_dir)
        watched = noted(run_dir, resumed=start != START, told_by=lambda: STOPPING.told_by)
        with reported(recipe, run_dir), watched, STOPPING.after_a_step(recipe.trainer.max_minutes):
            if recipe.compute.in_process:
                _train_in_process(inputs, run_dir, start, use_gpu=num_gpus > 0)
            else:
                _train_on_ray(inputs, run_dir, num_workers=num_workers, use_gpu=num_gpus > 0)
    return trained(recipe, run_dir)


def trained(recipe: Recipe, run_dir: str) -> Checkpoint:
    """Return the checkpoint of a training that has ended; see `train`."""
    average_epochs = recipe.trainer.average_epochs
    chosen = Checkpoint.open(
        average_checkpoint(run_dir, average_epochs) if average_epochs else best_checkpoint(run_dir)
    )
    return replace(chosen, history=run_history(run_dir))


def _start(run_dir: str) -> Position:
    """Return where a training starts or goes on, and say so where its last checkpoint is damaged."""
    last = read_last(run_dir)
    if last is None:
        return START
    if last.unreadable:
        print(f"warning: {last.unreadable} The run goes on from the checkpoint before, {last.path}.", flush=True)
    return last.position


def checkpoint_choice(recipe: Recipe, utterances: str) -> str:
    """Say how the checkpoint of a training was chosen, and that few held-out speakers choose coarsely."""
    if epochs := recipe.trainer.average_epochs:
        return f"the average of the last {epochs} epochs; no held-out speaker has a say in it"
    num = len(held_out_speakers(recipe, utterances).unique())
    few = f", which is coarse: with fewer than {LEAST_SPEAKERS} it may be they who set epochs apart"
    return f"the lowest EER of {num} held-out speakers{few if num < LEAST_SPEAKERS else ''}"


def build_module(inputs: TrainingInputs) -> SpeakerVerifier:
    """Build the model, its loss and its schedules, the same for the same seed."""
    recipe, features = inputs.recipe, inputs.recipe.examples.features
    torch.manual_seed(recipe.seed)
    model = recipe.model.build()
    utterances = np.tile(inputs.utterances_per_speaker, len(recipe.trainer.speeds))
    loss = build_loss(recipe.loss.build(), embedding_dim=model.embedding_dim, num_speakers=len(utterances))
    weigh_speakers(loss, torch.from_numpy(utterances))
    watch_student(loss, model)
    front_end = features.build_front_end()
    module = SpeakerVerifier(
        front_end=front_end if features.on_device else None,
        model=model,
        loss=loss,
        optimizer=recipe.optimizer.build(),
        learning_rate=recipe.learning_rate.build(),
        margin=recipe.margin.build(),
        mixup_alpha=recipe.trainer.mixup_alpha,
        num_epochs=recipe.trainer.num_epochs,
        steps_per_epoch=inputs.examples.plan.steps_per_epoch,
        recipe=dict(recipe.plain),
        lineage=inputs.lineage,
        crops=recipe.examples.drawn_crops(front_end),
        micro_batch_size=recipe.trainer.micro_batch_size,
        augment=recipe.examples.augment_on_device(inputs.examples.banks),
    )
    if recipe.trainer.activation_checkpointing:
        checkpoint_activations(*(part for part in (module.model, module.front_end) if part is not None))
    if inputs.start:
        module.start_from(inputs.start)
    return module


def fit_on_worker(
    inputs: TrainingInputs,
    batches: Iterable[dict[str, Tensor]],
    run_dir: str,
    rank: int,
    world_size: int,
    **distribution: Any,
) -> None:
    """Take one worker's share of a training."""
    trainer = inputs.recipe.trainer
    validation = validation_examples(
        inputs.recipe.examples.build_maker(training=False, augment=trainer.validation_augment),
        inputs.validation,
        max_utterances=trainer.max_validation_utterances,
        banks=inputs.examples.banks,
        rank=rank,
        world_size=world_size,
    )
    module = build_module(inputs)
    if rank == 0:
        crops = module.crops.most if module.crops else 1
        say_head_memory(module.loss, crops * trainer.batch_size // world_size)
    fit(
        module,
        batches,
        validation,
        settings=trainer,
        run_dir=run_dir,
        trackers=watchers(inputs.recipe, run_dir) if rank == 0 else (),
        **distribution,
    )


def _train_in_process(inputs: TrainingInputs, run_dir: str, start: Position, *, use_gpu: bool) -> None:
    try:
        fit_on_worker(
            inputs,
            local_batches(inputs.examples, start=start),
            run_dir,
            rank=0,
            world_size=1,
            data_cpus=0,
            stop_asked=STOPPING.asked,
            plugins=[LightningEnvironment()],  # whatever batch system this process was started by
            devices=1,
            accelerator="auto" if use_gpu else "cpu",
        )
    except SystemExit:  # how Lightning ends on a second Ctrl-C
        raise KeyboardInterrupt from None


def _train_on_ray(inputs: TrainingInputs, run_dir: str, *, num_workers: tuple[int, int], use_gpu: bool) -> None:
    request = ray.remote(StopRequest).options(num_cpus=0, max_restarts=-1, **on_this_node()).remote()
    system, folder = location.filesystem(run_dir)
    least, most = num_workers
    others = {name: value for name, value in vars(inputs).items() if name != "examples"}
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={
            "examples": [ray.put(inputs.examples)],
            "others": [ray.put(others)],
            "run_dir": run_dir,
            "request": request,
            "variables": [ray.put(tracker_variables())],  # out of what the dashboard shows
            "moving": WORKER_LINES.redrawn,
        },
        scaling_config=ScalingConfig(
            num_workers=most if least == most else num_workers,  # type: ignore[arg-type]  # Ray's hints are old
            use_gpu=use_gpu,
        ),
        run_config=RunConfig(
            name=RAY_TRAIN,
            storage_path=folder,
            storage_filesystem=system if location.is_uri(run_dir) else None,
            # `restarted` tells losses from errors, which Ray does not, and counts them
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
            worker_runtime_env={"env_vars": {} if use_gpu else KEPT_MEMORY | _set_by_user(KEPT_MEMORY)},
        ),
    )
    with WORKER_LINES.moving(), shown_running(run_dir):
        max_restarts, progress = inputs.recipe.compute.max_restarts, partial(next_position, run_dir)

        numbers = itertools.count()

        def show_losses() -> None:
            set_gauges({LOSSES: next(numbers)}, run=run_name(run_dir))

        def lost(told: str) -> None:
            give_back()
            note(run_dir, LOST, told)
            show_losses()

        def started() -> None:
            if inputs.recipe.compute.where == "cluster":
                workers = [{"GPU" if use_gpu else "CPU": 1.0}] * least  # as Ray Train asks for them
                wait_for_room(workers, what="training", within_minutes=inputs.recipe.compute.wait_minutes)
            trainer.fit()

        show_losses()
        wait_for(partial(restarted, started, max_restarts, progress=progress, lost=lost), request)


def _set_by_user(variables: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in variables if name in os.environ}


def _train_worker(config: dict[str, Any]) -> None:
    context, reference = ray.train.get_context(), config["examples"][0]
    os.environ.update(ray.get(config["variables"][0]))
    torch.set_num_threads(max(1, machine.cpus() // (2 * context.get_local_world_size())))  # the others make examples
    inputs = TrainingInputs(examples=ray.get(reference), **ray.get(config["others"][0]))
    run_dir, request = config["run_dir"], config["request"]
    rank, num_workers = context.get_world_rank(), context.get_world_size()
    compute = inputs.recipe.compute
    data_cpus = _data_cpus(compute, num_workers)
    batches = streamed_batches(
        reference,
        inputs.examples.plan,
        start=next_position(run_dir),
        rank=rank,
        num_workers=num_workers,
        data_cpus=data_cpus,
        at_most=compute.data_cpus,
    )
    fit_on_worker(
        inputs,
        batches,
        run_dir,
        rank=rank,
        world_size=num_workers,
        moving=config["moving"],
        stop_asked=lambda: ray.get(request.is_made.remote()),
        data_cpus=data_cpus,
        strategy=RayDDPStrategy(**exchange(inputs.recipe.trainer, num_workers)),
        plugins=[RayLightningEnvironment()],
        devices="auto",
        accelerator="auto",
    )


def _data_cpus(compute: Compute, num_workers: int) -> float:
    """Return the CPUs beside a training's workers that it may take.

    Raises
    ------
    ValueError
        If there are none: nobody would make examples.
    """
    cpus = ray.cluster_resources().get("CPU", 0)
    if cpus <= num_workers:
        raise ValueError(
            f"no CPU for examples: got {cpus:g} CPUs in the cluster for {num_workers} training workers, expected more. "
            "At compute.num_workers. Lower it, or add CPUs."
        )
    return compute.bounded(cpus - num_workers)
