"""Measure what preparing takes in memory as a corpus grows."""

import tempfile
import time
from collections.abc import Sequence

import numpy as np
import ray
import soundfile as sf

from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.workers.process_setup import RUNTIME_ENV
from pipelines.benchmarks.measuring import PeakMemory
from pipelines.benchmarks.preparing import listing

NUM_RECORDINGS, RECORDING_S, SAMPLE_RATE = 20, 0.3, 8000
TIMES = (5, 50, 5000)
"""That they are listed."""
SHARD_ROWS = 500
NUM_WORKERS = 2
WORKER_TITLE = "_PartWriter"
"""In the title that Ray gives to the processes that make the parts."""


def growth(recipe: Recipe, *, all_times: Sequence[int] = TIMES) -> None:
    """Prepare 10 and 1,000 times as many files; they are short, so that their number is all that grows."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [_record(f"{folder}/{number}.wav", seed=number) for number in range(NUM_RECORDINGS)]
        measured = [f"{RECORDING_S} s each, {NUM_WORKERS} workers, {SHARD_ROWS} files a shard at most; peak memory:"]
        for times in all_times:
            num_files = len(paths) * times
            short = {"shard_rows": SHARD_ROWS, "min_duration_s": 0.0}
            listed = listing(recipe, paths, folder, times=times, where="local", **short)
            started = time.perf_counter()
            with (
                ray.init(address="local", num_cpus=NUM_WORKERS, include_dashboard=False, runtime_env=RUNTIME_ENV),
                PeakMemory() as memory,
            ):
                prepare(listed)
            measured.append(
                f"  {num_files:7d} files: largest worker {memory.largest(WORKER_TITLE) / 2**20:5.0f} MiB, "
                f"driver {memory.of_driver / 2**20:5.0f} MiB, {time.perf_counter() - started:.0f} s"
            )
    print("\n".join(measured))


def _record(path: str, *, seed: int) -> str:
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, round(RECORDING_S * SAMPLE_RATE))
    sf.write(path, noise, SAMPLE_RATE)
    return path
