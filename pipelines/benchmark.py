"""Measure training and evaluation, each figure beside what it is to be compared with, in one run.

    python pipelines/benchmark.py ingest    # samples/s from the stream, from memory, and in a plain PyTorch loop
    python pipelines/benchmark.py plain     # the whole training as a plain single-process loop, then scored
    python pipelines/benchmark.py metrics   # all figures of ten million scores against two plain sorts of them

All take the settings of pipelines/train.py: python pipelines/benchmark.py ingest experiment=mini_speech
"""

import csv
import itertools
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import hydra
import numpy as np
import ray
import ray.train
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from ray.train import RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer

from avis import location
from avis.engine.config import resolve
from avis.engine.evaluate import evaluate, show
from avis.engine.prepare import prepare
from avis.engine.score import score
from avis.engine.session import Compute
from avis.engine.stream import Shared, local_batches
from avis.engine.train import build_module, fit_share, share, train
from avis.metrics.summary import summarize
from avis.training.checkpoint import best_checkpoint
from avis.training.module import SpeakerVerifier

BATCHES_IN_MEMORY = 8
PLAIN_STEPS = 40
NUM_SCORES = 10_000_000
TARGET_SHARES = (0.01, 0.1, 0.5)
REPEATS = 3


def ingest(recipe: dict[str, Any]) -> None:
    """Compare the pace of training from the stream with training from memory and with a plain loop."""
    utterances = prepare(recipe)
    compute: Compute = instantiate(recipe["compute"])
    compute.connect()
    workers = compute.num_train_workers()
    shared = share(recipe, utterances, workers)
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, utterances, location.join(folder, "stream"))
        _train_from_memory(shared, location.join(folder, "memory"), workers, use_gpu=compute.num_gpus() > 0)
        streamed, waited = _pace(location.join(folder, "stream"))
        from_memory, _ = _pace(location.join(folder, "memory"))
    ray.shutdown()
    plain = _plain_pace(shared)
    print(f"{workers} workers, batch {recipe['trainer']['batch_size']}, {os.cpu_count()} cores, over all epochs:")
    print(f"  streamed     {streamed:7.1f} samples/s, {waited:.1%} of the time waiting for data")
    print(f"  from memory  {from_memory:7.1f} samples/s, so that streaming reaches {streamed / from_memory:.0%} of it")
    print(f"  plain loop   {plain:7.1f} samples/s in one process, so that AVIS is {streamed / plain:.2f} times as fast")


def _train_from_memory(shared: Shared, run_dir: str, workers: int, *, use_gpu: bool) -> None:
    TorchTrainer(
        _memory_worker,
        train_loop_config={"shared": [ray.put(shared)], "run_dir": run_dir},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(name="ray_train", storage_path=run_dir),
    ).fit()


def _memory_worker(config: dict[str, Any]) -> None:
    shared: Shared = ray.get(config["shared"][0])
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    made = itertools.islice(local_batches(shared, first_block=0), BATCHES_IN_MEMORY)
    batches = [{key: value[rank::world_size] for key, value in batch.items()} for batch in made]
    distribution: dict[str, Any] = {"strategy": RayDDPStrategy(), "plugins": [RayLightningEnvironment()]}
    fit_share(shared, itertools.cycle(batches), config["run_dir"], rank, world_size, **distribution)


def _pace(run_dir: str) -> tuple[float, float]:
    """Return samples/s and waiting share over all epochs of a run, the first included: the stream runs ahead in it."""
    with open(location.join(run_dir, "csv", "version_0", "metrics.csv")) as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/samples_per_s")]
    last = {row["epoch"]: row for row in rows}.values()
    seconds = [1 / float(row["train/samples_per_s"]) for row in last]
    waited = [float(row["train/waiting_share"]) * each for row, each in zip(last, seconds, strict=True)]
    return len(seconds) / sum(seconds), sum(waited) / sum(seconds)


def _plain_steps(shared: Shared, module: SpeakerVerifier, num_steps: int) -> float:
    """Train on a plan's first steps in a plain loop and return its samples/s."""
    optimizer = module.configure_optimizers()
    total = module.num_epochs * module.steps_per_epoch
    started, samples = time.perf_counter(), 0
    for step, batch in enumerate(itertools.islice(local_batches(shared, first_block=0), num_steps)):
        module.set_progress(step / total)
        loss, _ = module.loss(module.model(batch["features"]), batch["speaker"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), shared.recipe["trainer"]["gradient_clip"])
        optimizer.step()
        samples += len(batch["speaker"])
        if step % module.steps_per_epoch == 0:
            print(f"plain loop: step {step}/{num_steps}, loss {loss.item():.3f}", flush=True)
    return samples / (time.perf_counter() - started)


def _plain_pace(shared: Shared) -> float:
    return _plain_steps(shared, build_module(shared), PLAIN_STEPS)


def plain(recipe: dict[str, Any]) -> None:
    """Take the same plan, model and schedule through a plain loop, and score its last weights."""
    utterances = prepare(recipe)
    shared = share(recipe, utterances, num_workers=1)
    module = build_module(shared)
    started = time.perf_counter()
    pace = _plain_steps(shared, module, module.num_epochs * module.steps_per_epoch)
    print(f"plain loop: {pace:.1f} samples/s, {(time.perf_counter() - started) / 60:.1f} minutes")
    run_dir = location.join(location.absolute(recipe["output_dir"]), "plain", time.strftime("%Y%m%d-%H%M%S"))
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "epoch": module.num_epochs - 1}
    module.on_save_checkpoint(checkpoint)
    path = best_checkpoint(run_dir)
    os.makedirs(os.path.dirname(path))
    torch.save(checkpoint, path)
    scores = score(recipe, path, utterances, run_dir)
    show(evaluate(scores, run_dir, facts={"checkpoint": path}, evaluation=instantiate(recipe["evaluation"])))


def metrics(recipe: dict[str, Any]) -> None:
    """Compare stating all figures of a long trial list with sorting its scores."""
    wanted = instantiate(recipe["evaluation"]).wanted
    for target_share in TARGET_SHARES:
        rng = np.random.default_rng(recipe["seed"])
        target = rng.random(NUM_SCORES) < target_share
        for dtype in (np.float32, np.float64):
            scores = rng.normal(3.0 * target).astype(dtype)
            two_sorts = 2 * min(_seconds(partial(np.sort, scores)) for _ in range(REPEATS))
            state = partial(summarize, scores, target, wanted=wanted)
            stated = min(_seconds(state) for _ in range(REPEATS))
            tracemalloc.start()
            state()
            peak = tracemalloc.get_traced_memory()[1] / scores.nbytes
            tracemalloc.stop()
            print(f"{NUM_SCORES:,} {np.dtype(dtype).name} scores, {target_share:.0%} of them targets:")
            print(f"  two sorts    {two_sorts:7.3f} s")
            print(
                f"  all figures  {stated:7.3f} s, {stated / two_sorts:.2f} times that, and {peak:.1f} times the memory"
            )


def _seconds(work: Callable[[], Any]) -> float:
    """Return processor time: nothing else on the machine counts."""
    started = time.process_time()
    work()
    return time.process_time() - started


MEASUREMENTS = {"ingest": ingest, "plain": plain, "metrics": metrics}


@hydra.main(config_path="../configs", config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the measurement named first on the command line."""
    measure(resolve(cfg))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in MEASUREMENTS:
        sys.exit(f"measurement missing: got {sys.argv[1:2]}, expected one of {', '.join(MEASUREMENTS)}.\n{__doc__}")
    measure = MEASUREMENTS[sys.argv.pop(1)]
    main()
