"""Reckon how preparing and training grow with the cluster, where they stop to, by what, and what it costs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig

from avis.engine.estimate import fed_per_s, rates_of
from avis.engine.rates import Rates
from avis.engine.recipe import Recipe
from avis.training.cropping import crop_bounds
from pipelines.benchmarks.simulation import HOUR_S, MINUTE_S, Cluster, Work, plan_s, prepare_s, step, train_s

VOXCELEB2_DEV, VOXCELEB2_DEV_H = 1_092_009, 2360.0
TIMES, WORKERS = (1, 100), (8, 16, 32, 64)
SEEDS = range(3)
COLUMNS = (
    f"{'workers':>7} {'plan, h':>8} {'GB':>6} {'prepare, h':>18} {'train, h':>24} {'use':>5} {'MB/s':>8} "
    f"{'worker h':>9} {'cost':>9}  most is lost to"
)
"""GB of the driver's memory, share of the workers' time that is used, MB/s from storage in training, workers' hours."""


def scale(recipe: Recipe, *, times: Sequence[int] = TIMES, overrides: Sequence[str] | None = None) -> None:
    """Print a table for VoxCeleb2 and for 100 times as much, or for ``rates.recordings`` and ``compute.num_workers``.

    Each worker of the table has a batch of ``trainer.batch_size``; of workers that are asked for, it is that of all.

    Parameters
    ----------
    recipe : Recipe
    times : sequence of int
        How often VoxCeleb2's audio.
    overrides : sequence of str or None
        What was said on the command line; None takes it from Hydra.
    """
    if overrides is None:
        overrides = HydraConfig.get().overrides.task
    cfg = compose("train", list(overrides), return_hydra_config=True)
    rates, on_gpus = rates_of(cfg.rates), recipe.compute.use_gpu is not False
    work = _work(recipe, rates, str(cfg.hydra.runtime.choices["model"]), on_gpus=on_gpus)
    asked = recipe.compute.num_workers
    workers = WORKERS if asked is None else asked if isinstance(asked, list) else [asked]
    for factor in (1,) if rates.recordings else times:
        grown = work.times(factor)
        print(f"\n{grown.recordings:,} recordings, {grown.audio_h:,.0f} h; {SEEDS.stop} simulations each")
        print(COLUMNS, flush=True)
        for number in workers:
            batch = recipe.trainer.batch_size if asked is None else max(1, recipe.trainer.batch_size // number)
            print(_row(replace(grown, batch_per_worker=batch), rates, number, on_gpus=on_gpus), flush=True)


def _work(recipe: Recipe, rates: Rates, model: str, *, on_gpus: bool) -> Work:
    trainer, crop_s = recipe.trainer, crop_bounds(recipe.trainer.crop_s)[1]
    pace = rates.trained_per_s(model, on_gpu=on_gpus, crop_s=crop_s)
    if pace is None:
        table = "gpu_examples_per_s" if on_gpus else "cpu_examples_per_s"
        raise ValueError(
            f"pace not measured: got model={model}, expected one of rates.{table}. At rates.{table}. "
            f"Give +rates.{table}.{model}=<examples/s>."
        )
    with torch.device("meta"):
        parameters = sum(weights.numel() for weights in recipe.model.build().parameters())
    return Work(
        recordings=rates.recordings or VOXCELEB2_DEV,
        audio_h=rates.audio_h or VOXCELEB2_DEV_H,
        shard_rows=recipe.sharding.shard_rows,
        examples_per_recording=trainer.passes_per_epoch * trainer.num_epochs,
        batch_per_worker=trainer.batch_size,
        parameters=parameters,
        checkpoint_s=MINUTE_S * trainer.checkpoint_minutes,
        trained_per_s=pace,
        fed_per_s=fed_per_s(recipe, rates, on_gpus=on_gpus),
    )


def _row(work: Work, rates: Rates, workers: int, *, on_gpus: bool) -> str:
    cpus, nodes = workers * rates.cpus_per_worker, -(-workers // rates.workers_per_node)
    feeding = Cluster(workers=workers, feeders=cpus if on_gpus else max(1, cpus - workers), nodes=nodes)
    preparing = Cluster(workers=workers, feeders=cpus, nodes=nodes)
    prepared = [prepare_s(work, preparing, rates, np.random.default_rng(seed)) / HOUR_S for seed in SEEDS]
    runs = [train_s(work, feeding, rates, np.random.default_rng([seed, 1])) for seed in SEEDS]
    trained, spent = [took / HOUR_S for took, _ in runs], runs[0][1]
    planned_h, trained_h = plan_s(work, rates) / HOUR_S, float(np.mean(trained))
    alone_h = work.recordings * work.examples_per_recording / work.trained_per_s / workers / HOUR_S
    usual = step(work, feeding, rates)
    read_mb_s = usual.storage * rates.storage_mb_s / usual.seconds
    worst = max(spent, key=lambda what: spent[what])
    cost = _cost(rates, cpus * (planned_h + float(np.mean(prepared))), workers * trained_h, on_gpus=on_gpus)
    return (
        f"{workers:>7} {planned_h:>8.2f} {work.recordings * rates.driver_kb_per_file / 1e6:>6.1f} "
        f"{_spread(prepared):>18} {_spread(trained):>24} {alone_h / trained_h:>5.0%} {read_mb_s:>8,.0f} "
        f"{workers * trained_h:>9,.0f} {cost:>9}  {worst}, {spent[worst] / runs[0][0]:.0%}"
    )


def _spread(hours: Sequence[float]) -> str:
    return f"{np.mean(hours):.2f} ({min(hours):.2f}-{max(hours):.2f})"


def _cost(rates: Rates, cpu_h: float, worker_h: float, *, on_gpus: bool) -> str:
    of_worker = rates.gpu_hour if on_gpus else rates.cpu_hour
    return "" if of_worker is None else f"{cpu_h * (rates.cpu_hour or 0) + worker_h * of_worker:,.0f}"
