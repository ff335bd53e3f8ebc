"""Train on a cluster: Ray Data workers make examples and stream them into Ray Train workers running Lightning DDP."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
import ray.train
import torch
from hydra.utils import instantiate
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from ray.data import ExecutionOptions
from ray.train import DataConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer
from torch import Tensor

from avis import location, store
from avis.checkpoints.run_checkpoints import average_checkpoint, best_checkpoint, next_epoch, read_checkpoint
from avis.checkpoints.teacher import find_teachers
from avis.engine.examples.materialize import materialize
from avis.engine.examples.stream import Shared, drawn_crops, example_maker, example_stream, local_batches, make_banks
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import raise_cause
from avis.losses.building import build_loss
from avis.losses.classifier import weigh_speakers
from avis.losses.distillation import watch_student
from avis.losses.head_memory import say_head_memory
from avis.training.activation_checkpointing import checkpoint_activations
from avis.training.cropping import crop_bounds
from avis.training.examples import speaker_counts, speaker_index, validation_examples
from avis.training.fit import fit
from avis.training.module import SpeakerVerifier
from avis.training.placement import Features, check_placement, check_precision
from avis.training.plan import Plan, find_long_enough, keep_rows, list_row_groups
from avis.training.repetition import say_repetition


def train(cfg: dict[str, Any], utterances: str, run_dir: str) -> str:
    """Train the configured model on an utterances store and return its best checkpoint, or its last epochs' average.

    A run that was cut off goes on with its next epoch.

    Raises
    ------
    ValueError
        If GPUs were asked for that are not there, or the store cannot serve the recipe.
    """
    if next_epoch(run_dir) >= cfg["trainer"]["num_epochs"]:
        return _result(run_dir, cfg["trainer"]["average_epochs"])
    compute: Compute = instantiate(cfg["compute"])
    check_precision(cfg["trainer"]["precision"], compute)
    compute.connect()
    num_gpus = compute.num_gpus()
    num_workers = compute.num_train_workers()
    shared = share(cfg, utterances, num_workers)
    if compute.in_process:
        _train_in_process(shared, run_dir, use_gpu=num_gpus > 0)
    else:
        _train_on_ray(shared, run_dir, num_workers=num_workers, use_gpu=num_gpus > 0, restarts=compute.max_restarts)
    return _result(run_dir, cfg["trainer"]["average_epochs"])


def _result(run_dir: str, average_epochs: int) -> str:
    return average_checkpoint(run_dir, average_epochs) if average_epochs else best_checkpoint(run_dir)


def share(cfg: dict[str, Any], utterances: str, num_workers: int) -> Shared:
    """Plan a training and gather what its workers need, features computed beforehand among it."""
    cfg = find_teachers(cfg)
    training: Training = instantiate(cfg["trainer"])
    features: Features = instantiate(cfg["features"])
    check_placement(
        training.utterances_per_speaker, training.mixup_alpha, training.crop_s, placement=features.placement
    )
    if training.batch_size % (num_workers * training.utterances_per_speaker):
        raise ValueError(
            f"batch does not divide: got trainer.batch_size={training.batch_size} for {num_workers} workers and "
            f"{training.utterances_per_speaker} utterances per speaker, expected a multiple. At trainer.batch_size. "
            "Change it, trainer.utterances_per_speaker or compute.num_workers."
        )
    groups = list_row_groups(utterances, "train")
    rows = store.read_table(utterances, "utterances", columns=["speaker", "num_samples"], prefix="train-")
    column = rows["speaker"]
    durations_s = rows["num_samples"].to_numpy() / cfg["sharding"]["sample_rate"]
    long_enough = find_long_enough(durations_s, training.min_utterance_s)
    plan = Plan(
        keep_rows(groups, long_enough),
        seed=cfg["seed"],
        groups_per_block=training.groups_per_block,
        passes_per_epoch=training.passes_per_epoch,
        global_batch=training.batch_size,
        utterances_per_speaker=training.utterances_per_speaker,
    )
    say_repetition(plan, column.filter(pa.array(long_enough)).to_pylist())
    start = read_checkpoint(location.absolute(cfg["start_from"])) if cfg["start_from"] else None
    banks, stored = make_banks(cfg, utterances), None
    if features.placement == "materialize":
        stored = materialize(cfg, utterances, groups, partial(example_maker, cfg), banks)
    validation = list_row_groups(utterances, "validation")
    return Shared(cfg, plan, validation, speaker_index(column), speaker_counts(column), banks, stored, start)


def build_module(shared: Shared) -> SpeakerVerifier:
    """Build the model, its loss and its schedules, the same for the same seed."""
    recipe = shared.recipe
    torch.manual_seed(recipe["seed"])
    model = instantiate(recipe["model"])
    utterances = np.tile(shared.utterances_per_speaker, len(recipe["trainer"]["speeds"]))
    loss = build_loss(instantiate(recipe["loss"]), embedding_dim=model.embedding_dim, num_speakers=len(utterances))
    weigh_speakers(loss, torch.from_numpy(utterances))
    watch_student(loss, model)
    features: Features = instantiate(recipe["features"])
    module = SpeakerVerifier(
        front_end=features.front_end if features.placement == "device" else None,
        model=model,
        loss=loss,
        optimizer=instantiate(recipe["optimizer"]),
        learning_rate=instantiate(recipe["scheduler"]["learning_rate"]),
        margin=instantiate(recipe["scheduler"]["margin"]),
        mixup_alpha=recipe["trainer"]["mixup_alpha"],
        num_epochs=recipe["trainer"]["num_epochs"],
        steps_per_epoch=shared.plan.steps_per_epoch,
        recipe=recipe,
        speakers=sorted(shared.speakers),
        crops=drawn_crops(recipe, features.front_end),
    )
    if recipe["trainer"]["activation_checkpointing"]:
        checkpoint_activations(*(part for part in (module.model, module.front_end) if part is not None))
    if shared.start:
        module.start_from(shared.start, recipe["start_from"])
    return module


def fit_share(
    shared: Shared, batches: Iterable[dict[str, Tensor]], run_dir: str, rank: int, world_size: int, **distribution: Any
) -> None:
    """Take one worker's share of a training."""
    training = shared.recipe["trainer"]
    maker = example_maker(shared.recipe, training=False, augment=training["validation_augment"])
    validation = validation_examples(
        maker,
        shared.validation,
        max_utterances=training["max_validation_utterances"],
        banks=shared.banks,
        rank=rank,
        world_size=world_size,
    )
    module = build_module(shared)
    if rank == 0:
        crops = module.crops.most if module.crops else 1
        say_head_memory(module.loss, crops * training["batch_size"] // world_size)
    fit(
        module,
        batches,
        validation,
        run_dir=run_dir,
        precision=training["precision"],
        gradient_clip=training["gradient_clip"],
        log_interval_s=training["log_interval_s"],
        average_epochs=training["average_epochs"],
        **distribution,
    )


def _train_in_process(shared: Shared, run_dir: str, *, use_gpu: bool) -> None:
    first_block = next_epoch(run_dir) * shared.plan.blocks_per_epoch
    batches = local_batches(shared, first_block=first_block)
    accelerator = "auto" if use_gpu else "cpu"
    fit_share(shared, batches, run_dir, rank=0, world_size=1, data_cpus=0, devices=1, accelerator=accelerator)


def _train_on_ray(shared: Shared, run_dir: str, *, num_workers: int, use_gpu: bool, restarts: int) -> None:
    reference, blocks_per_epoch = ray.put(shared), shared.plan.blocks_per_epoch
    last_block = shared.recipe["trainer"]["num_epochs"] * blocks_per_epoch
    system, folder = location.filesystem(run_dir)

    def stream() -> ray.data.Dataset:
        first_block = next_epoch(run_dir) * blocks_per_epoch
        return example_stream(reference, first_block=first_block, last_block=last_block)

    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"shared": [reference], "run_dir": run_dir},
        scaling_config=ScalingConfig(num_workers=num_workers, use_gpu=use_gpu),
        run_config=RunConfig(
            name="ray_train",
            storage_path=folder,
            storage_filesystem=system if location.is_uri(run_dir) else None,
            failure_config=FailureConfig(max_failures=restarts),
        ),
        datasets={"train": stream},
        dataset_config=DataConfig(execution_options=ExecutionOptions(preserve_order=True), enable_shard_locality=False),
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise_cause(_first_failure(error))


def _first_failure(error: ray.train.TrainingFailedError) -> BaseException:
    failures = getattr(error, "worker_failures", None)
    return failures[min(failures)] if failures else error


def _train_worker(config: dict[str, Any]) -> None:
    shared: Shared = ray.get(config["shared"][0])
    context = ray.train.get_context()
    world_size = context.get_world_size()
    batches = ray.train.get_dataset_shard("train").iter_torch_batches(
        batch_size=shared.recipe["trainer"]["batch_size"] // world_size, prefetch_batches=2, drop_last=True
    )
    fit_share(
        shared,
        batches,
        config["run_dir"],
        rank=context.get_world_rank(),
        world_size=world_size,
        data_cpus=max(1, ray.cluster_resources().get("CPU", 0) - world_size),
        strategy=RayDDPStrategy(),
        plugins=[RayLightningEnvironment()],
        devices="auto",
        accelerator="auto",
    )
