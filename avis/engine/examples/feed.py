"""Feed a training with examples: tasks anywhere in the cluster read blocks of its plan and make examples of them.

A task reads a block; others make the examples of portions of it, a piece for each worker of the training, which lie in
Ray's object store until they are fetched. So each global batch is the same examples, in the same order, on any number
of workers, whoever makes them, and again where a task or a node is lost: Ray repeats what it has lost.
"""

import os
from collections import deque
from functools import lru_cache
from typing import Any

import pyarrow as pa
import ray

from avis.checkpoints.run_checkpoints import Position
from avis.training.example_inputs import ExampleInputs
from avis.training.examples import ExampleMaker
from avis.training.plan import PORTION_ROWS, Plan, Portion
from avis.training.stored import StoredExamples

PORTIONS_AHEAD = 2
"""For each CPU that makes examples, beside a global batch."""
MAX_RETRIES = 10
"""Of a task that was lost with its process or node; one that always kills its process ends the training."""
LAST_IN_LINE = 19
"""Niceness of those who make examples: they run ahead, while all wait for a trainer."""

Pieces = list[ray.ObjectRef]


class Feed:
    """The tasks of a training from a position on, as far ahead as keeps CPUs busy; an actor where workers share it.

    Parameters
    ----------
    inputs : list of one ray.ObjectRef
        Of `ExampleInputs`, in a list so that Ray leaves it a reference.
    plan : Plan
    start : Position
    num_workers : int
        Of the training.
    data_cpus : float
        That make examples.
    at_most : int, optional
        Tasks at a time, by having each wait for one before it; as many as there are CPUs for by default.
    """

    def __init__(
        self,
        inputs: list[ray.ObjectRef],
        plan: Plan,
        *,
        start: Position,
        num_workers: int,
        data_cpus: float,
        at_most: int | None = None,
    ) -> None:
        self.inputs, self.plan, self.portions = inputs, plan, plan.portions(*start)
        self.rows_ahead = plan.global_batch + int(PORTIONS_AHEAD * data_cpus) * PORTION_ROWS
        self.ahead = 0
        self.waiting: list[deque[tuple[int, ray.ObjectRef]]] = [deque() for _ in range(num_workers)]
        self.read: tuple[int, ray.ObjectRef] | None = None
        self.at_most, self.ends = at_most, deque[ray.ObjectRef](maxlen=at_most or 0)

    def next(self, rank: int) -> Pieces:
        """Return what a worker's next batch is made of, in order; nothing after the last batch. It does not wait."""
        first, end = self.plan.share(rank, len(self.waiting))
        missing, pieces = end - first, []
        while missing:
            self._submit(rank)
            if not self.waiting[rank]:
                return []
            num, piece = self.waiting[rank].popleft()
            missing, self.ahead = missing - num, self.ahead - num
            pieces.append(piece)
        return pieces

    def _submit(self, rank: int) -> None:
        """Submit tasks until there is enough ahead, and something for this worker."""
        while self.ahead < self.rows_ahead or not self.waiting[rank]:
            portion = next(self.portions, None)
            if portion is None:
                return
            pieces = self.plan.pieces(portion, len(self.waiting))
            stops = [stop for _, _, stop in pieces]
            turn = self.ends[0] if len(self.ends) == self.at_most else None
            make: Any = _make.options(num_returns=len(pieces) + 1)
            *made, end = make.remote(self.inputs, self._rows(portion, turn), portion, stops, turn)
            self.ends.append(end)
            for (owner, start, stop), piece in zip(pieces, made, strict=True):
                self.waiting[owner].append((stop - start, piece))
            self.ahead += portion.stop - portion.start

    def _rows(self, portion: Portion, turn: ray.ObjectRef | None) -> ray.ObjectRef:
        """Return the rows of a portion's block, read once for all its portions."""
        if self.read is None or self.read[0] != portion.block:
            self.read = portion.block, _read.remote(self.inputs, portion.block, turn)
        return self.read[1]


@lru_cache(maxsize=1)
def _source_of(reference: ray.ObjectRef) -> tuple[ExampleInputs, ExampleMaker | StoredExamples]:
    os.nice(LAST_IN_LINE)
    inputs: ExampleInputs = ray.get(reference)
    return inputs, inputs.source()


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES, scheduling_strategy="DEFAULT")
def _read(inputs: list[ray.ObjectRef], block: int, _turn: None) -> pa.Table:
    given, source = _source_of(inputs[0])
    return source.read(given.plan.block(block))


@ray.remote(num_cpus=1, max_retries=MAX_RETRIES, scheduling_strategy="DEFAULT")
def _make(inputs: list[ray.ObjectRef], rows: pa.Table, portion: Portion, stops: list[int], _turn: None) -> list[Any]:
    """Return the examples of a portion, cut into pieces, and None, which tells of its end without moving any."""
    given, source = _source_of(inputs[0])
    made = given.make(source, rows, portion)
    bounds = zip([0, *stops[:-1]], stops, strict=True)
    return [*({key: each[start:stop] for key, each in made.items()} for start, stop in bounds), None]
