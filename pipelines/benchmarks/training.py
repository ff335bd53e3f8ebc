"""Measure trainings: their pace in each placement of features, beside a plain loop, and of all families alike."""

import csv
import itertools
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from ray.train import RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer

from avis import location, store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.config import resolve
from avis.engine.examples.stream import TrainingInputs, local_batches
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.runs import save_run
from avis.engine.score import score
from avis.engine.train import build_module, fit_on_worker, gather_inputs, train
from avis.evaluation.evaluate import evaluate, show
from avis.run_folder import CONFIG, METRICS
from avis.training.cropping import crop_bounds
from avis.training.module import SpeakerVerifier
from pipelines.benchmarks.measuring import PeakMemory, seconds

PLACEMENTS = ("stream", "device", "materialize")
BATCHES_IN_MEMORY = 8
PLAIN_STEPS = 40
STEP_REPEATS = 3
MODEL_CHOICES = Path(__file__).parents[2] / "configs" / "model"


def ingest(recipe: Recipe) -> None:
    """Compare the pace of training in each placement of features with training from memory and with a plain loop."""
    utterances = prepare(recipe)
    compute = recipe.compute
    compute.connect()
    workers = compute.num_train_workers()
    streamed = gather_inputs(_placed(recipe, "stream"), utterances, workers)
    paces = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        gather_inputs(_placed(recipe, "materialize", output_dir=folder), utterances, workers)
        beforehand_s = time.perf_counter() - started
        for name in PLACEMENTS:
            with PeakMemory() as memory:
                train(_placed(recipe, name, output_dir=folder), utterances, location.join(folder, name))
            paces[name] = (*_pace(location.join(folder, name)), memory.peak_bytes)
        _train_from_memory(streamed, location.join(folder, "memory"), workers, use_gpu=compute.num_gpus() > 0)
        from_memory, _ = _pace(location.join(folder, "memory"))
    ray.shutdown()
    plain = _plain_pace(streamed)
    print(f"{workers} workers, batch {recipe.trainer.batch_size}, {os.cpu_count()} cores, over all epochs:")
    for name, (pace, waited, peak_bytes) in paces.items():
        print(
            f"  {name:<12} {pace:7.1f} samples/s, {waited:.1%} of the time waiting for data; {pace / from_memory:.2f} "
            f"times from memory, {pace / plain:.2f} times the plain loop; peak memory {peak_bytes / 2**30:.2f} GiB"
        )
    print(f"  from memory  {from_memory:7.1f} samples/s")
    print(f"  plain loop   {plain:7.1f} samples/s in one process")
    print(f"  materialize took {beforehand_s:.0f} s beforehand for {recipe.examples.features.copies} copies")


def _placed(recipe: Recipe, placement: str, **changed: Any) -> Recipe:
    features = {**recipe.plain["features"], "placement": placement}
    return Recipe.of({**recipe.plain, "features": features, **changed})


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
    made = itertools.islice(local_batches(inputs, first_block=0), BATCHES_IN_MEMORY)
    batches = [{key: value[rank::world_size] for key, value in batch.items()} for batch in made]
    distribution = {"strategy": RayDDPStrategy(), "plugins": [RayLightningEnvironment()], "data_cpus": 1}
    fit_on_worker(inputs, itertools.cycle(batches), config["run_dir"], rank, world_size, **distribution)


def _pace(run_dir: str) -> tuple[float, float]:
    """Return samples/s and waiting share over all epochs of a run, the first included: the stream runs ahead in it."""
    rows = []
    for path in sorted(Path(run_dir, "csv").glob("version_*/metrics.csv")):  # one of each start
        with path.open() as file:
            rows += [row for row in csv.DictReader(file) if row.get("train/samples_per_s")]
    last = {row["epoch"]: row for row in rows}.values()
    seconds = [1 / float(row["train/samples_per_s"]) for row in last]
    waited = [float(row["train/waiting_share"]) * each for row, each in zip(last, seconds, strict=True)]
    return len(seconds) / sum(seconds), sum(waited) / sum(seconds)


def _plain_steps(inputs: TrainingInputs, module: SpeakerVerifier, num_steps: int) -> float:
    """Train on a plan's first steps in a plain loop and return its samples/s."""
    optimizer = module.configure_optimizers()
    total = module.num_epochs * module.steps_per_epoch
    started, samples = time.perf_counter(), 0
    for step, batch in enumerate(itertools.islice(local_batches(inputs, first_block=0), num_steps)):
        module.set_progress(step / total)
        if module.crops is not None:
            batch = module.crops.cut(batch, *divmod(step, module.steps_per_epoch))
        loss, _ = module.loss(module(batch), batch["speaker"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), inputs.recipe.trainer.gradient_clip)
        optimizer.step()
        samples += len(batch["speaker"])
        if step % module.steps_per_epoch == 0:
            print(f"plain loop: step {step}/{num_steps}, loss {loss.item():.3f}", flush=True)
    return samples / (time.perf_counter() - started)


def _plain_pace(inputs: TrainingInputs) -> float:
    return _plain_steps(inputs, build_module(inputs), PLAIN_STEPS)


def plain(recipe: Recipe) -> None:
    """Take the same plan, model and schedule through a plain loop, and score its last weights."""
    utterances = prepare(recipe)
    inputs = gather_inputs(recipe, utterances, num_workers=1)
    module = build_module(inputs)
    steps, started = module.num_epochs * module.steps_per_epoch, time.perf_counter()
    pace = _plain_steps(inputs, module, steps)
    print(f"plain loop: {pace:.1f} samples/s, {(time.perf_counter() - started) / 60:.1f} minutes")
    run_dir = location.join(recipe.output_dir, "plain", time.strftime("%Y%m%d-%H%M%S"))
    checkpoint = {"state_dict": module.state_dict(), "epoch": module.num_epochs - 1, "global_step": steps}
    module.on_save_checkpoint(checkpoint)
    path = best_checkpoint(run_dir)
    os.makedirs(os.path.dirname(path))
    torch.save(checkpoint, path)
    scores = score(recipe, Checkpoint.open(path), utterances, run_dir)
    show(evaluate(scores, run_dir, facts={"checkpoint": path}, evaluation=recipe.evaluation))


def families(recipe: Recipe, *, choices: str = "*_small") -> None:
    """Train every small choice of ``configs/model`` alike, one after the other; what is finished is not done again."""
    of_all = [each for each in HydraConfig.get().overrides.task if not each.startswith("model=")]
    utterances = prepare(recipe)
    for name in sorted(path.stem for path in MODEL_CHOICES.glob(f"{choices}.yaml")):
        family = Recipe.of(resolve(compose("train", [*of_all, f"model={name}"])))
        run_dir = location.join(recipe.output_dir, "families", name)
        config, evaluated = location.join(run_dir, CONFIG), location.join(run_dir, METRICS)
        saved = store.read_json(config) if location.exists(config) else {**family.plain, "utterances": utterances}
        if saved != {**family.plain, "utterances": utterances, "compute": saved["compute"]}:
            raise ValueError(
                f"the families must be trained alike: got another configuration for {name}, expected that of {config}. "
                "At output_dir. Choose another folder, or go on with the settings that were begun with."
            )
        save_run(run_dir, family, utterances)
        if not location.exists(evaluated):
            checkpoint = train(family, utterances, run_dir)
            scores = score(family, checkpoint, utterances, run_dir)
            evaluate(scores, run_dir, facts={"checkpoint": checkpoint.uri}, evaluation=family.evaluation)
        model = family.model.build()
        size = sum(weights.numel() for weights in model.parameters()) / 1e6
        pace = _step_pace(model, family)
        for trials, figures in store.read_json(evaluated).items():
            low, high = figures["intervals"]["figures"]["eer"] if figures["intervals"] else (math.nan, math.nan)
            print(
                f"{name:<22} {trials}: EER {figures['eer']:.2%} [{low:.2%}, {high:.2%}], {size:.2f} M parameters, "
                f"{pace:.0f} examples/s through forward and backward on one core",
                flush=True,
            )


def _step_pace(model: torch.nn.Module, recipe: Recipe) -> float:
    """Return examples per second of one thread, of random features."""
    trainer, front_end = recipe.trainer, recipe.examples.features.front_end.build()
    num_frames = front_end.num_frames(round(crop_bounds(trainer.crop_s)[1] * recipe.sharding.sample_rate))
    features = torch.randn(trainer.batch_size, num_frames, front_end.dim)
    torch.set_num_threads(1)
    return len(features) / min(seconds(lambda: model(features).sum().backward()) for _ in range(STEP_REPEATS))
