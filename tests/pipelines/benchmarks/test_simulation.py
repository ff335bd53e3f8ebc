"""The simulation of a cluster against cases computed by hand, and what must hold of any."""

import math
from dataclasses import replace

import numpy as np
import pytest

from avis.engine.rates import Rates
from pipelines.benchmarks.simulation import Cluster, Work, plan_s, prepare_s, step, train_s

PLAIN = Rates(
    recordings=None,
    audio_h=None,
    gpu_examples_per_s={},
    cpu_examples_per_s={},
    feeder_examples_per_s={},
    prepared_h_per_core_h=100.0,
    listed_files_per_s=10.0,
    planned_files_per_s=40.0,
    driver_kb_per_file=1.0,
    start_s=20.0,
    file_kb_per_s_of_audio=10.0,
    shard_kb_per_s_of_audio=20.0,
    cpus_per_worker=4,
    workers_per_node=1,
    storage_mb_s=1000.0,
    stream_mb_s=1.0,
    cache_gb=0.0,
    network_gb_s=1.0,
    slow_share=0.0,
    slow_factor=1.0,
    losses_per_node_day=0.0,
    replaced_min=1.0,
    gpu_hour=None,
    cpu_hour=None,
)
WORK = Work(
    recordings=1000,
    audio_h=10.0,
    shard_rows=100,
    examples_per_recording=40,
    batch_per_worker=10,
    parameters=1_000_000,
    checkpoint_s=100.0,
    trained_per_s=5.0,
    fed_per_s=100.0,
)
ONE = Cluster(workers=1, feeders=1, nodes=1)
SHARD_S = 36.0 + 36.0 + 72.0
"""An hour of audio: decoded at 100 times its speed, 36 MB read and 72 MB written at 1 MB/s."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_driver_lists_and_plans_each_file():
    assert plan_s(WORK, PLAIN) == pytest.approx(1000 / 10 + 1000 / 40)


@pytest.mark.parametrize(("cpus", "rounds"), [(1, 10), (3, 4), (10, 1), (64, 1)])
def test_cpus_share_the_shards(cpus: int, rounds: int):
    assert prepare_s(WORK, replace(ONE, feeders=cpus), PLAIN, rng()) == pytest.approx(rounds * SHARD_S)


def test_storage_for_one_stream_makes_all_wait_in_turn():
    narrow = replace(PLAIN, storage_mb_s=1.0)
    took = prepare_s(WORK, replace(ONE, feeders=10), narrow, rng())
    assert 10 * (36 + 72) <= took <= 10 * (36 + 72) + 2 * 36, "decoding goes on while others read and write"


def test_slow_parts_take_their_factor():
    slow = replace(PLAIN, slow_share=1.0, slow_factor=3.0)
    assert prepare_s(WORK, ONE, slow, rng()) == pytest.approx(10 * (SHARD_S + 2 * 36))


def test_parts_of_a_lost_node_are_made_again():
    unsteady = replace(PLAIN, losses_per_node_day=200.0)
    hazard, length, rest = 200 / 86400, SHARD_S, 60.0
    expected = 10 * (math.exp(hazard * length) - 1) * (1 / hazard + rest)
    took = [prepare_s(WORK, ONE, unsteady, rng(seed)) for seed in range(400)]
    assert np.mean(took) == pytest.approx(expected, rel=0.05)


def test_a_step_waits_for_whatever_takes_longest():
    four = Cluster(workers=4, feeders=2, nodes=2)
    taken = step(WORK, four, PLAIN)
    assert taken.compute == 10 / 5
    assert taken.gradients == pytest.approx(2 * 1 / 2 * 4e6 / 1e9), "all but a node's own share goes around twice"
    assert taken.feeding == pytest.approx(40 / 200)
    assert taken.storage == pytest.approx(40 * 0.72 / 1000), "36 s of audio, 20 kB each"
    assert taken.seconds == pytest.approx(2.004)
    assert step(replace(WORK, fed_per_s=4.0), four, PLAIN).seconds == pytest.approx(5.0)


def test_what_memory_keeps_is_not_read_again():
    kept = [step(WORK, ONE, replace(PLAIN, cache_gb=gb)).storage for gb in (0.0, 0.36, 0.72, 5.0)]
    assert kept == pytest.approx([0.0072, 0.0036, 0.0, 0.0]), "the shards are 0.72 GB"


def test_an_undisturbed_training_is_its_start_and_its_steps():
    took, spent = train_s(WORK, ONE, PLAIN, rng())
    assert took == pytest.approx(20 + 4000 * 2)
    assert spent == pytest.approx({"gradients": 0, "slow workers": 0, "starts and losses": 20})


def test_more_workers_take_as_many_fewer_steps():
    took, _ = train_s(WORK, Cluster(workers=8, feeders=8, nodes=1), PLAIN, rng())
    assert took == pytest.approx(20 + 500 * 2)


def test_a_step_is_slow_where_any_worker_is():
    slow = replace(PLAIN, slow_share=0.1, slow_factor=2.0)
    took, spent = train_s(replace(WORK, recordings=100_000), Cluster(workers=8, feeders=8, nodes=1), slow, rng())
    assert spent["slow workers"] == pytest.approx(50_000 * 2 * (1 - 0.9**8), rel=0.02)
    assert took == pytest.approx(20 + 50_000 * 2 + spent["slow workers"])


def test_losses_cost_what_was_done_since_the_last_checkpoint():
    unsteady = replace(PLAIN, losses_per_node_day=100.0)
    hazard, length, rest = 100 / 86400, 100.0, 60.0 + 20.0
    expected = 80 * (math.exp(hazard * length) - 1) * (1 / hazard + rest)
    took = [train_s(WORK, ONE, unsteady, rng(seed))[0] - 20 for seed in range(200)]
    assert np.mean(took) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("better", ["storage_mb_s", "prepared_h_per_core_h"])
def test_faster_machines_are_never_slower(seed: int, better: str):
    uneven = replace(PLAIN, storage_mb_s=3.0, slow_share=0.3, slow_factor=4.0)
    cluster = Cluster(workers=4, feeders=7, nodes=2)
    times = [
        [prepare_s(WORK, cluster, each, rng(seed)), train_s(WORK, cluster, each, rng(seed))[0]]
        for each in (uneven, replace(uneven, **{better: 2 * getattr(uneven, better)}))
    ]
    assert times[1] <= times[0]
    assert times[1][1] <= times[0][1]


def test_the_same_seed_gives_the_same_run():
    unsteady = replace(PLAIN, losses_per_node_day=100.0, slow_share=0.1, slow_factor=2.0)
    assert train_s(WORK, ONE, unsteady, rng(3)) == train_s(WORK, ONE, unsteady, rng(3))
