"""Train on a cluster: Ray Data workers make examples and stream them into Ray Train workers running Lightning DDP."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
import ray.train
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from ray.data import ExecutionOptions
from ray.train import DataConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer
from torch import Tensor

from avis import location, store
from avis.checkpoints.ancestry import parents, read_lineage
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
from avis.engine.examples.banks import make_banks
from avis.engine.examples.materialize import materialize
from avis.engine.examples.stream import TrainingInputs, example_stream, local_batches
from avis.engine.recipe import Recipe
from avis.engine.workers.console import WORKER_LINES
from avis.engine.workers.restarts import restarted
from avis.engine.workers.stop_request import StopRequest, wait_for
from avis.engine.workers.stopping import STOPPING
from avis.lineage import Lineage, TrainedOn
from avis.losses.building import build_loss
from avis.losses.classifier import weigh_speakers
from avis.losses.distillation import watch_student
from avis.losses.head_memory import say_head_memory
from avis.reports.cautions import LEAST_SPEAKERS
from avis.run_folder import CHECKPOINTS, RAY_TRAIN
from avis.training.activation_checkpointing import checkpoint_activations
from avis.training.examples import speaker_counts, speaker_index, validation_examples
from avis.training.fit import fit
from avis.training.learnable import check_held_out, check_local_batch, check_trained_on
from avis.training.module import SpeakerVerifier
from avis.training.plan import Plan, find_long_enough, keep_rows, list_row_groups
from avis.training.repetition import say_repetition


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
    start = _start(run_dir)
    if start.epoch < recipe.trainer.num_epochs:
        recipe.compute.check_precision(recipe.trainer.precision)
        recipe.compute.connect()
        store.clear_unfinished(location.join(run_dir, CHECKPOINTS))
        num_gpus, num_workers = recipe.compute.num_gpus(), recipe.compute.num_train_workers()
        inputs = gather_inputs(recipe, utterances, num_workers)
        with STOPPING.after_a_step(recipe.trainer.max_minutes):
            if recipe.compute.in_process:
                _train_in_process(inputs, run_dir, start, use_gpu=num_gpus > 0)
            else:
                _train_on_ray(inputs, run_dir, num_workers=num_workers, use_gpu=num_gpus > 0)
    average_epochs = recipe.trainer.average_epochs
    chosen = Checkpoint.open(
        average_checkpoint(run_dir, average_epochs) if average_epochs else best_checkpoint(run_dir)
    )
    return replace(chosen, history=run_history(run_dir))


def find_ancestors(recipe: Recipe, run_dir: str | None = None) -> Lineage:
    """Return what the models were trained on that a training starts from and is taught by.

    A run that goes on has that in its last checkpoint, wherever theirs are by now.

    Raises
    ------
    ValueError
        If one of them is not a checkpoint of AVIS.
    """
    paths = [location.absolute(path) for path in parents(recipe.plain)]
    if paths and run_dir and (last := read_last(run_dir)):
        return read_lineage(last.content, last.path).before
    return Lineage.joined(Checkpoint.open(path).inherited for path in paths)


def _start(run_dir: str) -> Position:
    """Return where a training starts or goes on, and say so where its last checkpoint is damaged."""
    last = read_last(run_dir)
    if last is None:
        return START
    if last.unreadable:
        print(f"warning: {last.unreadable} The run goes on from the checkpoint before, {last.path}.", flush=True)
    return last.position


def gather_inputs(recipe: Recipe, utterances: str, num_workers: int) -> TrainingInputs:
    """Plan a training and gather what its workers need, features computed beforehand among it.

    Raises
    ------
    ValueError
        If the store cannot serve the recipe, or settings do not go together.
    """
    recipe = recipe.with_teachers()
    features = recipe.examples.features
    features.build_front_end()
    recipe.trainer.check_placement(features.placement)
    check_local_batch(recipe.trainer, recipe.model, num_workers)
    groups = list_row_groups(utterances, "train")
    rows = store.read_table(utterances, "utterances", columns=["speaker", "num_samples", "sha256"], prefix="train-")
    durations_s = rows["num_samples"].to_numpy() / recipe.sharding.sample_rate
    long_enough = find_long_enough(durations_s, recipe.trainer.min_utterance_s)
    check_trained_on(rows["speaker"].filter(pa.array(long_enough)), durations_s, recipe.trainer.crop_s)
    check_held_out(held_out_speakers(recipe, utterances), num_workers)
    plan = Plan(
        keep_rows(groups, long_enough),
        seed=recipe.seed,
        groups_per_block=recipe.trainer.groups_per_block,
        passes_per_epoch=recipe.trainer.passes_per_epoch,
        global_batch=recipe.trainer.batch_size,
        utterances_per_speaker=recipe.trainer.utterances_per_speaker,
    )
    say_repetition(plan, rows["speaker"].filter(pa.array(long_enough)).to_pylist())
    start = Checkpoint.open(recipe.start_from) if recipe.start_from else None
    banks, stored = make_banks(recipe.examples, utterances), None
    if features.placement == "materialize":
        stored = materialize(
            recipe.examples, utterances, groups, banks, output_dir=recipe.output_dir, compute=recipe.compute
        )
    return TrainingInputs(
        recipe=recipe,
        plan=plan,
        validation=list_row_groups(utterances, "validation"),
        speakers=speaker_index(rows["speaker"]),
        utterances_per_speaker=speaker_counts(rows["speaker"]),
        banks=banks,
        stored=stored,
        start=start,
        lineage=find_ancestors(recipe).then(TrainedOn.utterances(rows)),
    )


def checkpoint_choice(recipe: Recipe, utterances: str) -> str:
    """Say how the checkpoint of a training was chosen, and that few held-out speakers choose coarsely."""
    if epochs := recipe.trainer.average_epochs:
        return f"the average of the last {epochs} epochs; no held-out speaker has a say in it"
    num = len(held_out_speakers(recipe, utterances).unique())
    few = f", which is coarse: with fewer than {LEAST_SPEAKERS} it may be they who set epochs apart"
    return f"the lowest EER of {num} held-out speakers{few if num < LEAST_SPEAKERS else ''}"


def held_out_speakers(recipe: Recipe, utterances: str) -> pa.ChunkedArray:
    """Return the speakers of the utterances that are validated on."""
    held_out = store.read_table(utterances, "utterances", columns=["speaker"], prefix="validation-")["speaker"]
    return held_out[: recipe.trainer.max_validation_utterances]


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
        steps_per_epoch=inputs.plan.steps_per_epoch,
        recipe=dict(recipe.plain),
        lineage=inputs.lineage,
        crops=recipe.examples.drawn_crops(front_end),
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
        banks=inputs.banks,
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
        **distribution,
    )


def _train_in_process(inputs: TrainingInputs, run_dir: str, start: Position, *, use_gpu: bool) -> None:
    try:
        fit_on_worker(
            inputs,
            local_batches(inputs, start=start),
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


def _train_on_ray(inputs: TrainingInputs, run_dir: str, *, num_workers: int, use_gpu: bool) -> None:
    recipe, reference, plan = inputs.recipe, ray.put(inputs), inputs.plan
    request = ray.remote(num_cpus=0)(StopRequest).remote()
    system, folder = location.filesystem(run_dir)

    def stream() -> ray.data.Dataset:
        start = next_position(run_dir)
        return example_stream(reference, plan, start=start, num_epochs=recipe.trainer.num_epochs)

    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={
            "inputs": [reference],
            "run_dir": run_dir,
            "request": request,
            "moving": WORKER_LINES.redrawn,
        },
        scaling_config=ScalingConfig(num_workers=num_workers, use_gpu=use_gpu),
        run_config=RunConfig(
            name=RAY_TRAIN,
            storage_path=folder,
            storage_filesystem=system if location.is_uri(run_dir) else None,
            failure_config=FailureConfig(max_failures=0),  # `restarted` tells losses from errors, which Ray does not
        ),
        datasets={"train": stream},
        dataset_config=DataConfig(execution_options=ExecutionOptions(preserve_order=True), enable_shard_locality=False),
    )
    with WORKER_LINES.moving():
        wait_for(partial(restarted, trainer.fit, recipe.compute.max_restarts), request)


def _train_worker(config: dict[str, Any]) -> None:
    inputs: TrainingInputs = ray.get(config["inputs"][0])
    request, context = config["request"], ray.train.get_context()
    world_size = context.get_world_size()
    batches = ray.train.get_dataset_shard("train").iter_torch_batches(
        batch_size=inputs.recipe.trainer.batch_size // world_size, prefetch_batches=2, drop_last=True
    )
    fit_on_worker(
        inputs,
        batches,
        config["run_dir"],
        rank=context.get_world_rank(),
        world_size=world_size,
        moving=config["moving"],
        stop_asked=lambda: ray.get(request.is_made.remote()),
        data_cpus=max(1, ray.cluster_resources().get("CPU", 0) - world_size),
        strategy=RayDDPStrategy(),
        plugins=[RayLightningEnvironment()],
        devices="auto",
        accelerator="auto",
    )
