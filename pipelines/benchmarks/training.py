"""Measure training: its pace in each placement of features beside training from memory and a plain PyTorch loop."""

import csv
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ray
import ray.train
import torch
from ray.train import RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.examples.batches import Batch, local_batches
from avis.engine.examples.inputs import TrainingInputs, gather_inputs
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.train import build_module, fit_on_worker, train
from avis.engine.workers import machine
from avis.evaluation.evaluate import evaluate, show
from avis.training.faster_step import precision_at_hand
from avis.training.module import SpeakerVerifier
from pipelines.benchmarks.measuring import PeakMemory
from pipelines.benchmarks.ordinary import ordinary_batches

PLACEMENTS = ("stream", "device", "materialize")
BATCHES_IN_MEMORY = 8
PLAIN_STEPS = 40


class Pace(NamedTuple):
    """Examples per second over all epochs of a run, and the share of the time that it waited for data."""

    samples_per_s: float
    waiting_share: float


def ingest(recipe: Recipe, *, plain_steps: int = PLAIN_STEPS) -> None:
    """Compare training in each placement of features with the ordinary workflow, a plain loop, and from memory."""
    utterances = prepare(recipe)
    recipe.compute.connect()
    _, workers = recipe.compute.num_train_workers()
    placed = {name: recipe.changed({"features.placement": name}) for name in PLACEMENTS}
    inputs = gather_inputs(placed["stream"], utterances, workers)
    measured, cores, mixed = {}, machine.cpus(), _mixed(recipe)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        gather_inputs(placed["materialize"].changed({"output_dir": folder}), utterances, workers)
        beforehand_s = time.perf_counter() - started
        for name, settings in placed.items():
            run_dir = location.join(folder, name)
            with PeakMemory() as memory:
                train(settings.changed({"output_dir": folder}), utterances, run_dir)
            measured[name] = (_pace(run_dir), memory.peak_bytes)
        _train_from_memory(inputs, location.join(folder, "memory"), workers, use_gpu=recipe.compute.num_gpus() > 0)
        paces = {"from memory": _pace(location.join(folder, "memory")).samples_per_s}
        ray.shutdown()
        files = ordinary_batches(inputs.examples, utterances, Path(folder, "files"), cores)
        paces["ordinary"] = _plain_steps(inputs, files, plain_steps, mixed=False)
    paces["plain loop"] = _plain_steps(inputs, local_batches(inputs.examples), plain_steps, mixed=mixed)
    print(
        f"{workers} trainers, batch {recipe.trainer.batch_size}, {cores} cores; over all epochs, their start included:"
    )
    for name, (pace, peak_bytes) in measured.items():
        times = ", ".join(f"{pace.samples_per_s / other:.2f} times {one}" for one, other in paces.items())
        print(
            f"  {name:<12} {pace.samples_per_s:7.1f} samples/s, waiting {pace.waiting_share:.1%}; {times}; "
            f"peak memory {peak_bytes / 2**30:.2f} GiB"
        )
    for name, samples_per_s in paces.items():
        print(f"  {name:<12} {samples_per_s:7.1f} samples/s")
    print(f"  materialize took {beforehand_s:.0f} s beforehand for {recipe.examples.features.copies} copies")


def _train_from_memory(inputs: TrainingInputs, run_dir: str, workers: int, *, use_gpu: bool) -> None:
    TorchTrainer(
        _memory_worker,
        train_loop_config={"inputs": [ray.put(inputs)], "run_dir": run_dir},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(name="ray_train", storage_path=run_dir),
    ).fit()


def _memory_worker(config: dict[str, Any]) -> None:
    inputs: TrainingInputs = ray.get(config["inputs"][0])
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    made = itertools.islice(local_batches(inputs.examples), BATCHES_IN_MEMORY)
    batches = [{key: value[rank::world_size] for key, value in batch.items()} for batch in made]
    distribution = {
        "strategy": RayDDPStrategy(),
        "plugins": [RayLightningEnvironment()],
        "data_cpus": 1,
        "stop_asked": bool,
    }
    fit_on_worker(inputs, itertools.cycle(batches), config["run_dir"], rank, world_size, **distribution)


def _pace(run_dir: str) -> Pace:
    """Return the pace of a run over all its epochs, the first included: the stream runs ahead in it."""
    rows = []
    for path in sorted(Path(run_dir, "csv").glob("version_*/metrics.csv")):  # one of each start
        with path.open() as file:
            rows += [row for row in csv.DictReader(file) if row.get("train/samples_per_s")]
    last = {row["epoch"]: row for row in rows}.values()
    seconds = [1 / float(row["train/samples_per_s"]) for row in last]
    waited = [float(row["train/waiting_share"]) * each for row, each in zip(last, seconds, strict=True)]
    return Pace(len(seconds) / sum(seconds), sum(waited) / sum(seconds))


def _mixed(recipe: Recipe) -> bool:
    return precision_at_hand(recipe.trainer.precision, on_gpu=recipe.compute.num_gpus() > 0) == "bf16-mixed"


def _plain_steps(inputs: TrainingInputs, batches: Iterator[Batch], num_steps: int, *, mixed: bool) -> float:
    """Train on so many batches in a plain loop and return its samples/s, the first step apart."""
    return _loop(inputs, build_module(inputs), batches, num_steps, mixed=mixed)


def _loop(
    inputs: TrainingInputs,
    module: SpeakerVerifier,
    batches: Iterator[Batch],
    num_steps: int,
    *,
    mixed: bool,
) -> float:
    optimizer = module.configure_optimizers()
    total = module.num_epochs * module.steps_per_epoch
    samples = 0
    for step, batch in enumerate(itertools.islice(batches, num_steps)):
        module.set_progress(step / total)
        samples += len(batch["speaker"]) if step else 0
        batch = module.prepared(batch, *divmod(step, module.steps_per_epoch))
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss, _ = module.loss(module(batch), batch["speaker"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), inputs.recipe.trainer.gradient_clip)
        optimizer.step()
        if not step:
            started = time.perf_counter()
        if step % module.steps_per_epoch == 0:
            print(f"plain loop: step {step}/{num_steps}, loss {loss.item():.3f}", flush=True)
    return samples / (time.perf_counter() - started)


def plain(recipe: Recipe) -> None:
    """Take the same plan, model and schedule through a plain loop, and score its last weights."""
    utterances = prepare(recipe)
    inputs = gather_inputs(recipe, utterances, num_workers=1)
    module = build_module(inputs)
    num_steps = module.num_epochs * module.steps_per_epoch
    started = time.perf_counter()
    pace = _loop(inputs, module, local_batches(inputs.examples), num_steps, mixed=_mixed(recipe))
    print(f"plain loop: {pace:.1f} samples/s, {(time.perf_counter() - started) / 60:.1f} minutes")
    run_dir = location.join(recipe.output_dir, "plain", time.strftime("%Y%m%d-%H%M%S"))
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "epoch": module.num_epochs - 1}
    module.on_save_checkpoint(checkpoint)
    path = best_checkpoint(run_dir)
    os.makedirs(os.path.dirname(path))
    torch.save({**checkpoint, "global_step": num_steps}, path)
    scores = score(recipe, Checkpoint.open(path), utterances, run_dir)
    show(evaluate(scores, run_dir, facts={"checkpoint": path}, evaluation=recipe.evaluation))
