"""Measure the memory of preparing: of ten and a thousand times as many files beside that of a hundred."""

import tempfile
import time
from collections.abc import Sequence

import numpy as np
import ray
import soundfile as sf

from avis.engine.prepare import prepare
from avis.engine.recipe import PrepareRecipe
from avis.engine.workers.process_setup import RUNTIME_ENV
from pipelines.benchmarks.measuring import PeakMemory
from pipelines.benchmarks.preparing import listing

NUM_RECORDINGS, RECORDING_S, SAMPLE_RATE = 20, 0.3, 8000
TIMES = (5, 50, 5000)
"""How often they are listed."""
SHARD_ROWS = 500
NUM_WORKERS = 2
WORKER_TITLE = "_PartWriter"
"""Part of the title that Ray gives to the processes that make the parts."""


def growth(recipe: PrepareRecipe, *, times: Sequence[int] = TIMES) -> None:
    """Prepare files that are listed more and more often; they are short, so that their number is all that grows."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [_record(f"{folder}/{number}.wav", seed=number) for number in range(NUM_RECORDINGS)]
        measured = [_measure(recipe, paths, folder, times=each) for each in times]
    print(f"{RECORDING_S} s each, {NUM_WORKERS} workers, {SHARD_ROWS} files a shard at most; peak memory:")
    print("\n".join(measured))


def _record(path: str, *, seed: int) -> str:
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, round(RECORDING_S * SAMPLE_RATE))
    sf.write(path, noise, SAMPLE_RATE)
    return path


def _measure(recipe: PrepareRecipe, paths: list[str], folder: str, *, times: int) -> str:
    listed = listing(recipe, paths, folder, times=times, where="local", shard_rows=SHARD_ROWS, min_duration_s=0.0)
    started = time.perf_counter()
    with (
        ray.init(address="local", num_cpus=NUM_WORKERS, include_dashboard=False, runtime_env=RUNTIME_ENV),
        PeakMemory() as memory,
    ):
        prepare(listed)
    return (
        f"  {len(paths) * times:7d} files: largest worker {memory.largest(WORKER_TITLE) / 2**20:5.0f} MiB, "
        f"driver {memory.of_driver / 2**20:5.0f} MiB, {time.perf_counter() - started:.0f} s"
    )
