"""Measure evaluation: all figures of a list beside two plain sorts of its scores, and a list longer than memory."""

import tempfile
import time
import tracemalloc
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avis import location
from avis.engine.recipe import ScoreRecipe
from avis.evaluation.evaluate import Evaluation, evaluate
from avis.metrics.figures import FigureSet
from avis.metrics.summary import summarize
from pipelines.benchmarks.measuring import PeakMemory, seconds

NUM_SCORES = 10_000_000
TARGET_SHARES = (0.01, 0.1, 0.5)
LONG_TRIALS, TRIALS_PER_WRITE, LONG_TARGET_SHARE = 100_000_000, 1_000_000, 0.1
REPEATS = 3


def metrics(recipe: ScoreRecipe, *, num_scores: int = NUM_SCORES, long_trials: int = LONG_TRIALS) -> None:
    """Compare stating all figures of a trial list with sorting its scores, then evaluate ``long_trials`` trials."""
    for target_share in TARGET_SHARES:
        rng = np.random.default_rng(recipe.seed)
        target = rng.random(num_scores) < target_share
        for dtype in (np.float32, np.float64):
            print(f"{num_scores:,} {np.dtype(dtype).name} scores, {target_share:.0%} of them targets:")
            _compare_with_sorts(rng.normal(3.0 * target).astype(dtype), target, recipe.evaluation.figure_set)
    _evaluate_long_list(long_trials, recipe.evaluation, seed=recipe.seed)


def _compare_with_sorts(scores: NDArray[np.floating], target: NDArray[np.bool_], figure_set: FigureSet) -> None:
    two_sorts = 2 * min(seconds(partial(np.sort, scores)) for _ in range(REPEATS))
    state = partial(summarize, scores, target, figure_set=figure_set)
    stated = min(seconds(state) for _ in range(REPEATS))
    tracemalloc.start()
    state()
    peak = tracemalloc.get_traced_memory()[1] / scores.nbytes
    tracemalloc.stop()
    print(f"  two sorts    {two_sorts:7.3f} s")
    print(f"  all figures  {stated:7.3f} s, {stated / two_sorts:.2f} times that, and {peak:.1f} times the memory")


def _evaluate_long_list(num_trials: int, evaluation: Evaluation, *, seed: int) -> None:
    """Evaluate a Parquet file of random scores and likelihood ratios that is longer than memory, page included."""
    rng = np.random.default_rng(seed)
    schema = pa.schema({"target": pa.bool_(), "score": pa.float32(), "llr": pa.float32()})
    with tempfile.TemporaryDirectory() as folder:
        uri = location.join(folder, "long.parquet")
        with pq.ParquetWriter(uri, schema) as file:
            for first in range(0, num_trials, TRIALS_PER_WRITE):
                target = rng.random(min(TRIALS_PER_WRITE, num_trials - first)) < LONG_TARGET_SHARE
                scores = rng.normal(3.0 * target).astype(np.float32)
                file.write_table(pa.table([target, scores, 3.0 * scores - 4.5], schema=schema))
        with PeakMemory() as memory:
            started = time.perf_counter()
            evaluate({"long": uri}, folder, facts={}, evaluation=evaluation)
            took = time.perf_counter() - started
    print(
        f"{num_trials:,} trials with likelihood ratios in a Parquet file, {evaluation.trials_in_memory:,} of them in "
        f"memory at a time: {took:.1f} s, peak memory {memory.peak_bytes / 2**30:.2f} GiB"
    )
