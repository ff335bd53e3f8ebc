"""Measure the way of the examples to the trainers by itself, beside the same examples made in one process."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ray
import torch

from avis.checkpoints.run_checkpoints import START
from avis.engine.examples.batches import fetched, local_batches
from avis.engine.examples.feed import Feed
from avis.engine.examples.inputs import ExampleInputs, gather_inputs
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.workers import machine

SHARE_NEEDED = (0.5, 0.8)
"""Of the examples that the CPUs can make: what trainers take that wait for nothing."""


class Fed(NamedTuple):
    """What reached a trainer: the time of its first batch, of all others, and how long it waited for them."""

    first_s: float
    others_s: float
    waited_s: float
    examples: int


def feed(recipe: Recipe, *, num_batches: int = 60) -> None:
    """Compare examples that reach trainers doing nothing with those of one process, and say how long others wait.

    Parameters
    ----------
    recipe : Recipe
    num_batches : int
        That are fetched each time, of one training.
    """
    utterances = prepare(recipe)
    recipe.compute.connect()
    cores = machine.cpus()
    inputs = gather_inputs(recipe, utterances, 1).examples
    num_batches = min(num_batches, inputs.plan.steps_per_epoch * inputs.plan.num_epochs)
    reference = ray.put(inputs)
    first = _fed(reference, inputs, num_workers=1, num_batches=num_batches)
    alone = _alone(inputs, num_batches)
    fed = {workers: _fed(reference, inputs, num_workers=workers, num_batches=num_batches) for workers in (1, 2)}
    print(f"batch {inputs.plan.global_batch}, {cores} cores; first batch {first[0].first_s:.1f} s after Ray's start")
    print(f"  one process    {alone:7.1f} examples/s on one core; 1,000 take {1000 / alone:.1f} such cores")
    for workers, each in fed.items():
        pace = _pace(each)
        print(
            f"  {workers} trainer{'s' if workers > 1 else ' '}     {pace:7.1f} examples/s, {pace / cores / alone:.2f} "
            f"times one process for each core; first batch {max(one.first_s for one in each):.2f} s"
        )
    for share in SHARE_NEEDED:
        step_s = inputs.plan.global_batch / (share * _pace(fed[1]))
        [taken] = _fed(reference, inputs, num_workers=1, num_batches=num_batches, step_s=step_s)
        print(f"  a trainer that takes {share:.0%} of it waits for {taken.waited_s / taken.others_s:.1%} of the time")


def _pace(fed: list[Fed]) -> float:
    """Return examples per second, the first batch apart."""
    return sum(one.examples for one in fed) / max(one.others_s for one in fed)


def _alone(inputs: ExampleInputs, num_batches: int) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    fed = _take(local_batches(inputs), num_batches, 0.0)
    torch.set_num_threads(threads)
    return _pace([fed])


def _fed(
    reference: ray.ObjectRef, inputs: ExampleInputs, *, num_workers: int, num_batches: int, step_s: float = 0.0
) -> list[Fed]:
    given: dict[str, Any] = {"start": START, "num_workers": num_workers, "data_cpus": machine.cpus()}
    if num_workers == 1:
        return [_take(fetched(Feed([reference], inputs.plan, **given).next, 0), num_batches, step_s)]
    shared = ray.remote(Feed).options(num_cpus=0).remote([reference], inputs.plan, **given)
    take = ray.remote(num_cpus=0)(_take_share)
    return ray.get([take.remote(shared, rank, num_batches, step_s) for rank in range(num_workers)])


def _take_share(shared: Any, rank: int, num_batches: int, step_s: float) -> Fed:
    next_pieces: Callable[[int], Any] = lambda rank: ray.get(shared.next.remote(rank))  # noqa: E731
    return _take(fetched(next_pieces, rank), num_batches, step_s)


def _take(batches: Iterator[dict[str, torch.Tensor]], num_batches: int, step_s: float) -> Fed:
    started = time.perf_counter()
    next(batches)
    since, waited_s, examples = time.perf_counter(), 0.0, 0
    for _ in range(num_batches - 1):
        time.sleep(step_s)
        asked = time.perf_counter()
        batch = next(batches)
        waited_s += time.perf_counter() - asked
        examples += len(batch["speaker"])
    return Fed(since - started, time.perf_counter() - since, waited_s, examples)
