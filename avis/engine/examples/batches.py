"""Give a training its batches: fetched ahead from the tasks that make their examples, or made in its own process."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import ray
import torch
from ray.train.collective import broadcast_from_rank_zero
from torch import Tensor

from avis.checkpoints.run_checkpoints import START, Position
from avis.engine.examples.feed import Feed, Pieces
from avis.engine.workers.on_this_node import on_this_node
from avis.training.example_inputs import ExampleInputs
from avis.training.plan import Plan

BATCHES_AHEAD = 2
"""That a worker has fetched beside the one that it trains on."""
FIRST_WITHIN_S = 900.0
"""A first batch takes seconds where there are CPUs for it at all."""

Batch = dict[str, Tensor]


def streamed_batches(
    reference: ray.ObjectRef,
    plan: Plan,
    *,
    start: Position,
    rank: int,
    num_workers: int,
    data_cpus: float,
    at_most: int | None,
) -> Iterator[Batch]:
    """Yield a worker's share of each batch from a position on; all workers of a training call it.

    Parameters
    ----------
    reference : ray.ObjectRef
        Of `ExampleInputs`.
    plan : Plan
    start : Position
    rank : int
    num_workers : int
        Of the training.
    data_cpus : float
    at_most : int or None
        See `Feed`.
    """
    given: dict[str, Any] = {"start": start, "num_workers": num_workers, "data_cpus": data_cpus, "at_most": at_most}
    if num_workers == 1:
        return fetched(Feed([reference], plan, **given).next, rank)
    feed = None
    if rank == 0:
        feed = ray.remote(Feed).options(num_cpus=0, **on_this_node()).remote([reference], plan, **given)
    shared = broadcast_from_rank_zero(feed)
    return fetched(lambda mine: ray.get(shared.next.remote(mine)), rank)


def fetched(next_pieces: Callable[[int], Pieces], rank: int) -> Iterator[Batch]:
    """Yield a worker's batches, fetched ahead by a thread.

    Parameters
    ----------
    next_pieces : callable
        `Feed.next`, of this process or of an actor.
    rank : int
    """

    def fetch() -> Batch | None:
        pieces = ray.get(next_pieces(rank))
        return _joined(pieces) if pieces else None

    thread = ThreadPoolExecutor(1)
    try:
        ahead = deque(thread.submit(fetch) for _ in range(BATCHES_AHEAD))
        wait([ahead[0]], timeout=FIRST_WITHIN_S)
        if not ahead[0].done():
            raise ValueError(
                f"no examples: got none within {FIRST_WITHIN_S / 60:g} min, expected a batch. At the tasks that make "
                "them. Another run has all CPUs, as 'ray status' tells: wait for its end, add CPUs, or go on with "
                "it under compute.data_cpus; resume=<run> goes on."
            )
        while (batch := ahead.popleft().result()) is not None:
            ahead.append(thread.submit(fetch))
            yield batch
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def local_batches(inputs: ExampleInputs, *, start: Position = START) -> Iterator[Batch]:
    """Make the batches of a plan from a position on in this process."""
    plan, source, block = inputs.plan, inputs.source(), -1
    pieces: list[dict[str, np.ndarray]] = []
    for portion in plan.portions(*start):
        if portion.block != block:
            block, rows = portion.block, source.read(plan.block(portion.block))
        made = inputs.make(source, rows, portion)
        for _, first, end in plan.pieces(portion, 1):
            pieces.append({key: values[first:end] for key, values in made.items()})
            if sum(len(piece["speaker"]) for piece in pieces) == plan.global_batch:
                yield _joined(pieces)
                pieces = []


def _joined(pieces: list[dict[str, np.ndarray]]) -> Batch:
    return {key: torch.from_numpy(np.concatenate([piece[key] for piece in pieces])) for key in pieces[0]}
