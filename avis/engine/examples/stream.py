"""Stream training examples: tasks anywhere in the cluster read blocks of the plan and make examples of them."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import ray
import ray.data
import torch
from torch import Tensor

from avis.augment.bank import Bank
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import START, Position
from avis.engine.recipe import Recipe
from avis.engine.workers.data_context import data_context
from avis.lineage import Lineage
from avis.training.examples import ExampleMaker
from avis.training.plan import Plan, RowGroup
from avis.training.stored import StoredExamples

MAX_READ_TASKS = 10_000
"""Ray Data plans this many tasks at most; a longer training puts several blocks into one."""


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What every worker of a training needs, put into the object store once.

    Attributes
    ----------
    recipe : Recipe
    plan : Plan
        Order of the training utterances.
    validation : list of RowGroup
        Held-out utterances.
    speakers : dict of str to int
        Number of each training speaker.
    utterances_per_speaker : int64 [speakers]
    banks : dict of str to Bank
        What augmentation draws from.
    stored : str or None
        URI of the features of ``features.placement=materialize``.
    start : Checkpoint or None
        The checkpoint whose weights the training starts with.
    lineage : Lineage
        What the model and those before it are trained on.
    """

    recipe: Recipe
    plan: Plan
    validation: list[RowGroup]
    speakers: dict[str, int]
    utterances_per_speaker: np.ndarray
    banks: dict[str, Bank]
    stored: str | None
    start: Checkpoint | None
    lineage: Lineage

    def example_source(self) -> ExampleMaker | StoredExamples:
        """Return what makes the examples of the plan's blocks, or reads them."""
        examples = self.recipe.examples
        if self.stored is None:
            return examples.build_maker()
        return StoredExamples(self.stored, copies=examples.features.copies, speeds=examples.speeds)


def example_stream(reference: ray.ObjectRef, plan: Plan, *, start: Position, num_epochs: int) -> ray.data.Dataset:
    """Stream the examples of a plan from a position on, in order, made by tasks anywhere in the cluster."""
    data_context().execution_options.preserve_order = True
    first_block, done = plan.find(*start)
    num_blocks = num_epochs * plan.blocks_per_epoch - first_block
    numbers = ray.data.range(num_blocks, override_num_blocks=min(num_blocks, MAX_READ_TASKS))
    make = functools.partial(_make_examples, reference=[reference], first_block=first_block, done=done)
    return numbers.map_batches(make, batch_size=1, num_cpus=1)


@functools.lru_cache(maxsize=1)
def _source_of(reference: ray.ObjectRef) -> tuple[TrainingInputs, ExampleMaker | StoredExamples]:
    inputs: TrainingInputs = ray.get(reference)
    return inputs, inputs.example_source()


def _make_examples(
    batch: dict[str, np.ndarray], *, reference: list[ray.ObjectRef], first_block: int, done: int
) -> dict[str, np.ndarray]:
    inputs, source = _source_of(reference[0])
    number = int(batch["id"][0])
    made = source.block(inputs.plan.block(first_block + number), speakers=inputs.speakers, banks=inputs.banks)
    return {key: values[done:] for key, values in made.items()} if number == 0 else made


def local_batches(inputs: TrainingInputs, *, start: Position = START) -> Iterator[dict[str, Tensor]]:
    """Make the batches of a plan from a position on in this process."""
    trainer, plan, source = inputs.recipe.trainer, inputs.plan, inputs.example_source()
    first_block, done = plan.find(*start)
    remaining: dict[str, np.ndarray] = {}
    for number in range(first_block, trainer.num_epochs * plan.blocks_per_epoch):
        made = source.block(plan.block(number), speakers=inputs.speakers, banks=inputs.banks)
        if number == first_block:
            made = {key: values[done:] for key, values in made.items()}
        if not len(made["speaker"]):
            continue
        remaining = {key: np.concatenate([remaining[key], made[key]]) if remaining else made[key] for key in made}
        while len(remaining["speaker"]) >= trainer.batch_size:
            yield {key: torch.from_numpy(value[: trainer.batch_size]) for key, value in remaining.items()}
            remaining = {key: value[trainer.batch_size :] for key, value in remaining.items()}
