"""Simulate a run on a cluster by events: listing and planning, preparing, and training with what feeds it.

Parts and stretches between checkpoints are events. A node that is lost takes the parts that its cores were at with it,
or all steps since the last checkpoint.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import simpy

from avis.engine.rates import Rates
from avis.engine.shards.sharding import MIN_SHARDS

BYTES_PER_WEIGHT = 4
"""Of gradients."""
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
Happening = Generator[Any, Any, None]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done.

    Attributes
    ----------
    recordings : int
    audio_h : float
    shard_rows : int
    examples_per_recording : int
        Over all epochs.
    batch_per_worker : int
    parameters : int
    checkpoint_s : float
        Between checkpoints.
    trained_per_s : float
        Examples that a worker trains on, alone and never waiting.
    fed_per_s : float
        Examples that a core makes.
    """

    recordings: int
    audio_h: float
    shard_rows: int
    examples_per_recording: int
    batch_per_worker: int
    parameters: int
    checkpoint_s: float
    trained_per_s: float
    fed_per_s: float

    def times(self, factor: int) -> "Work":
        """Return the work of so many times as much audio."""
        return replace(self, recordings=factor * self.recordings, audio_h=factor * self.audio_h)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How many train, and how many CPUs are beside them."""

    workers: int
    feeders: int
    """CPUs that prepare, and feed the trainers."""
    nodes: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """Seconds of a training step, by what takes them."""

    compute: float
    gradients: float
    feeding: float
    storage: float

    @property
    def seconds(self) -> float:
        """From one step to the next: examples are made and read while others are trained on."""
        return max(self.compute + self.gradients, self.feeding, self.storage)


def plan_s(work: Work, rates: Rates) -> float:
    """Return the seconds in which the one driver lists and plans."""
    return work.recordings * (1 / rates.listed_files_per_s + 1 / rates.planned_files_per_s)


def step(work: Work, cluster: Cluster, rates: Rates) -> Step:
    """Return what a step takes that no worker is slow at."""
    batch = work.batch_per_worker * cluster.workers
    shards_mb = work.audio_h * HOUR_S * rates.shard_kb_per_s_of_audio / 1e3
    from_storage = max(0.0, 1 - 1e3 * rates.cache_gb / shards_mb)
    around = 2 * (cluster.nodes - 1) / cluster.nodes * BYTES_PER_WEIGHT * work.parameters
    return Step(
        compute=work.batch_per_worker / work.trained_per_s,
        gradients=around / (rates.network_gb_s * 1e9),
        feeding=batch / (work.fed_per_s * cluster.feeders),
        storage=batch * from_storage * shards_mb / work.recordings / rates.storage_mb_s,
    )


def prepare_s(work: Work, cluster: Cluster, rates: Rates, rng: np.random.Generator) -> float:
    """Simulate how long all CPUs take for the shards, each of which reads, decodes and writes."""
    env = simpy.Environment()
    num_shards = max(MIN_SHARDS, math.ceil(work.recordings / work.shard_rows))
    audio_s = work.audio_h * HOUR_S / num_shards
    stream_mb_s = min(rates.stream_mb_s, rates.storage_mb_s)
    storage = simpy.Resource(env, capacity=int(rates.storage_mb_s / stream_mb_s))
    read_s, write_s = (
        audio_s * size / 1e3 / stream_mb_s for size in (rates.file_kb_per_s_of_audio, rates.shard_kb_per_s_of_audio)
    )
    slow = np.where(rng.random(num_shards) < rates.slow_share, rates.slow_factor, 1.0)
    parts = simpy.Store(env)
    parts.items += (audio_s / rates.prepared_h_per_core_h * slow).tolist()
    left, done = iter(range(num_shards - 1, -1, -1)), env.event()

    def moved(seconds: float) -> Happening:
        with storage.request() as stream:
            yield stream
            yield env.timeout(seconds)

    def core() -> Happening:
        while True:
            part = None
            try:
                with parts.get() as next_part:
                    part = yield next_part
                yield from moved(read_s)
                yield env.timeout(part)
                yield from moved(write_s)
            except simpy.Interrupt:
                if part is not None:
                    parts.put(part)
                yield env.timeout(MINUTE_S * rates.replaced_min)
            else:
                if next(left) == 0:
                    done.succeed()

    for number in range(cluster.nodes):
        cores = [env.process(core()) for _ in range(number, cluster.feeders, cluster.nodes)]
        env.process(_lost(env, cores, rates.losses_per_node_day, MINUTE_S * rates.replaced_min, rng))
    env.run(until=done)
    return float(env.now)


def train_s(work: Work, cluster: Cluster, rates: Rates, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
    """Simulate how long a training takes, and by what it takes longer than its workers alone would.

    A step is slow where any of its workers is. A loss costs what was done since the last checkpoint, the wait for
    another node, and a start.
    """
    env, usual = simpy.Environment(), step(work, cluster, rates)
    slow = replace(usual, compute=usual.compute * rates.slow_factor)
    slow_share = 1 - (1 - rates.slow_share) ** cluster.workers
    num_steps = math.ceil(work.recordings * work.examples_per_recording / (work.batch_per_worker * cluster.workers))
    at_once = max(1, int(work.checkpoint_s / usual.seconds))
    waits = usual.seconds - usual.compute
    longest = max(("gradients", "feeding", "storage"), key=lambda what: _excess(usual, what))
    spent = {longest: num_steps * waits, "slow workers": 0.0}

    def training() -> Happening:
        left, resting_s = num_steps, rates.start_s
        while left:
            try:
                yield env.timeout(resting_s)
                resting_s = 0.0
                steps = min(left, at_once)
                num_slow = int(rng.binomial(steps, slow_share))
                yield env.timeout(steps * usual.seconds + num_slow * (slow.seconds - usual.seconds))
                left -= steps
                spent["slow workers"] += num_slow * (slow.seconds - usual.seconds)
            except simpy.Interrupt:
                resting_s = MINUTE_S * rates.replaced_min + rates.start_s

    trained = env.process(training())
    rest_s = MINUTE_S * rates.replaced_min + rates.start_s
    env.process(_lost(env, [trained], rates.losses_per_node_day * cluster.nodes, rest_s, rng))
    env.run(until=trained)
    alone_s = num_steps * usual.compute
    return float(env.now), {**spent, "starts and losses": float(env.now) - alone_s - sum(spent.values())}


def _excess(usual: Step, what: str) -> float:
    return usual.compute + usual.gradients if what == "gradients" else float(getattr(usual, what))


def _lost(
    env: simpy.Environment,
    processes: list[simpy.Process],
    per_day: float,
    rest_s: float,
    rng: np.random.Generator,
) -> Happening:
    """Interrupt processes at random, as often as a node is lost; while another comes nothing is."""
    while per_day:
        yield env.timeout(float(rng.exponential(DAY_S / per_day)))
        for each in processes:
            if each.is_alive:
                each.interrupt()
        yield env.timeout(rest_s)
