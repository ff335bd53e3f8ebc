"""Measure the way of the examples to the trainers by itself, beside the same examples made in one process."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import ray
import torch

from avis.checkpoints.run_checkpoints import START
from avis.engine.examples.batches import fetched, local_batches
from avis.engine.examples.feed import PORTIONS_AHEAD, Feed
from avis.engine.examples.inputs import gather_inputs
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.workers import machine
from avis.training.example_inputs import ExampleInputs
from avis.training.plan import PORTION_ROWS

SHARE_NEEDED = (0.5, 0.8)
"""Of the examples that the CPUs can make: what trainers take that wait for nothing."""


class Fed(NamedTuple):
    """What reached a trainer: the time of its first batch, of all others, and how long it waited for them."""

    first_s: float
    others_s: float
    waited_s: float
    examples: int


def feed(recipe: Recipe, *, num_batches: int = 100) -> None:
    """Compare examples that reach trainers doing nothing with those of one process, and say how long others wait.

    Parameters
    ----------
    recipe : Recipe
    num_batches : int
        That are counted each time, after as many as are made ahead.
    """
    utterances = prepare(recipe)
    recipe.compute.connect()
    cores = machine.cpus()
    inputs = gather_inputs(recipe, utterances, 1).examples
    plan, ahead = inputs.plan, 1 + PORTIONS_AHEAD * PORTION_ROWS * cores // inputs.plan.global_batch
    num_batches = min(num_batches, plan.steps_per_epoch * plan.num_epochs - ahead)
    if num_batches < 1:
        raise ValueError(
            f"training too short to be measured: got {plan.steps_per_epoch * plan.num_epochs} batches, expected more "
            f"than the {ahead} that are made ahead. At trainer.num_epochs. Raise it."
        )
    reference = ray.put(inputs)
    taken = partial(_fed, reference, inputs, ahead=ahead, num_batches=num_batches)
    first = taken(num_workers=1)
    alone, at_once = _by_themselves(reference, num_batches, cores)
    fed = {workers: taken(num_workers=workers) for workers in (1, 2)}
    print(f"batch {plan.global_batch}, {cores} cores; first batch {first[0].first_s:.1f} s after Ray's start")
    print(f"  one process    {alone:7.1f} examples/s on one core; 1,000 take {1000 / alone:.1f} such cores")
    print(f"  {cores} at once      {at_once:7.1f} examples/s, {at_once / cores / alone:.2f} times one process each")
    for workers, each in fed.items():
        pace = _pace(each)
        print(
            f"  {workers} trainer{'s' if workers > 1 else ' '}     {pace:7.1f} examples/s, {pace / at_once:.2f} times "
            f"what {cores} make at once; first batch {max(one.first_s for one in each):.2f} s"
        )
    for share in SHARE_NEEDED:
        [slow] = taken(num_workers=1, step_s=plan.global_batch / (share * _pace(fed[1])))
        print(f"  a trainer that takes {share:.0%} of it waits for {slow.waited_s / slow.others_s:.1%} of the time")


def _pace(fed: list[Fed]) -> float:
    """Return examples per second of those that are counted."""
    return sum(one.examples for one in fed) / max(one.others_s for one in fed)


def _by_themselves(reference: ray.ObjectRef, num_batches: int, cores: int) -> tuple[float, float]:
    """Return the examples per second of one process that feeds nobody, and of one on each core at once."""
    process: Any = ray.remote(num_cpus=1)(_ByItself)
    makers = [process.remote(reference) for _ in range(cores)]
    ray.get([maker.pace.remote(1) for maker in makers])
    alone = ray.get(makers[0].pace.remote(num_batches))
    at_once = sum(ray.get([maker.pace.remote(num_batches) for maker in makers]))
    for maker in makers:
        ray.kill(maker)
    return alone, at_once


class _ByItself:
    def __init__(self, inputs: ExampleInputs) -> None:
        torch.set_num_threads(1)
        self.inputs = inputs

    def pace(self, num_batches: int) -> float:
        return _pace([_take(local_batches(self.inputs), 1, num_batches, 0.0)])


def _fed(
    reference: ray.ObjectRef,
    inputs: ExampleInputs,
    *,
    num_workers: int,
    ahead: int,
    num_batches: int,
    step_s: float = 0.0,
) -> list[Fed]:
    given: dict[str, Any] = {"start": START, "num_workers": num_workers, "data_cpus": machine.cpus()}
    if num_workers == 1:
        own = Feed([reference], inputs.plan, **given)
        fed = _take(fetched(own.next, 0), ahead, num_batches, step_s)
        if left := [piece for _, piece in own.waiting[0]]:
            ray.wait(left, num_returns=len(left))  # or what is measured next has company
        return [fed]
    shared = ray.remote(Feed).options(num_cpus=0).remote([reference], inputs.plan, **given)
    take = ray.remote(num_cpus=0)(_take_share)
    return ray.get([take.remote(shared, rank, ahead, num_batches, step_s) for rank in range(num_workers)])


def _take_share(shared: Any, rank: int, ahead: int, num_batches: int, step_s: float) -> Fed:
    def next_pieces(rank: int) -> list[ray.ObjectRef]:
        pieces: list[ray.ObjectRef] = ray.get(shared.next.remote(rank))
        return pieces

    return _take(fetched(next_pieces, rank), ahead, num_batches, step_s)


def _take(batches: Iterator[dict[str, torch.Tensor]], ahead: int, num_batches: int, step_s: float) -> Fed:
    started = time.perf_counter()
    next(batches)
    first_s, waited_s, examples = time.perf_counter() - started, 0.0, 0
    for _ in range(ahead - 1):
        time.sleep(step_s)
        next(batches)
    since = time.perf_counter()
    for _ in range(num_batches):
        time.sleep(step_s)
        asked = time.perf_counter()
        batch = next(batches)
        waited_s += time.perf_counter() - asked
        examples += len(batch["speaker"])
    return Fed(first_s, time.perf_counter() - since, waited_s, examples)
