"""Stream training examples: tasks anywhere in the cluster read blocks of the plan and make examples of them."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import ray.data
import torch
from hydra.utils import instantiate
from torch import Tensor

from avis.audio.codec import read_all
from avis.augment.bank import Bank
from avis.engine.workers.data_context import data_context
from avis.training.cropping import DrawnCrops, crop_bounds
from avis.training.examples import ExampleMaker
from avis.training.plan import Plan, RowGroup, list_row_groups, read_block
from avis.training.stored import StoredExamples

MAX_READ_TASKS = 10_000
"""Ray Data plans this many tasks at most; a longer training puts several blocks into one."""


@dataclass(frozen=True)
class Shared:
    """What every worker of a training needs, put into the object store once."""

    recipe: dict[str, Any]
    plan: Plan
    validation: list[RowGroup]
    speakers: dict[str, int]
    utterances_per_speaker: np.ndarray
    banks: dict[str, Bank]
    stored: str | None = None
    """Features store of ``features.placement=materialize``."""
    start: dict[str, Any] | None = None
    """Checkpoint whose weights the training starts from."""


def make_banks(recipe: Mapping[str, Any], utterances: str) -> dict[str, Bank]:
    """Gather what the recipe's augmentation draws from, and say how much that is.

    The talkers are of the training utterances where the recipe has no ``speech_bank``.
    """
    chain, banks = instantiate(recipe["augment"]["chain"]), {}
    for name in sorted(chain.required_banks if chain else ()):
        node = recipe["augment"].get(f"{name}_bank")
        if name == "speech" and node is None:
            groups, origin = list_row_groups(utterances, "train"), "training utterances"
            banks[name] = _speech_bank(groups, recipe["trainer"]["babble_utterances"], recipe["seed"])
        else:
            banks[name], origin = instantiate(node), node.get("root") or node["_target_"].rpartition(".")[2]
        samples = banks[name].samples
        print(
            f"{name} bank: {len(banks[name])} recordings, {len(samples) / recipe['sharding']['sample_rate']:,.0f} s "
            f"({samples.nbytes / 1e6:,.0f} MB), from {origin}",
            flush=True,
        )
    return banks


def _speech_bank(groups: list[RowGroup], num_utterances: int, seed: int) -> Bank:
    """Take the first utterances of a few shuffled row groups: any will do as babble."""
    shuffled = Plan(groups, seed=seed, groups_per_block=1, passes_per_epoch=1, global_batch=1)
    voices: list[np.ndarray] = []
    for number in range(shuffled.blocks_per_pass):
        if len(voices) >= num_utterances:
            break
        rows = read_block(shuffled.block(number), ["audio"])["audio"].to_pylist()
        voices += [read_all(audio) for audio in rows[: num_utterances - len(voices)]]
    return Bank.from_recordings(voices)


def example_maker(recipe: Mapping[str, Any], *, training: bool = True, augment: bool = True) -> ExampleMaker:
    """Build what turns utterances into examples: for training, or without its speeds and masks for evaluation."""
    on_device = recipe["features"]["placement"] == "device"
    spec_augment = instantiate(recipe["augment"]["spec_augment"]) if training else None
    return ExampleMaker(
        features=None if on_device and spec_augment is None else instantiate(recipe["features"]["front_end"]),
        augment=instantiate(recipe["augment"]["chain"]) if augment else None,
        spec_augment=spec_augment,
        on_device=on_device,
        speeds=recipe["trainer"]["speeds"] if training else [1.0],
        crop_s=crop_bounds(recipe["trainer"]["crop_s"])[1],
        sample_rate=recipe["sharding"]["sample_rate"],
        seed=recipe["seed"],
    )


def drawn_crops(recipe: Mapping[str, Any], front_end: Any) -> DrawnCrops | None:
    """Return what cuts a training's batches into crops of drawn lengths; None where all are of one."""
    crop_s, sample_rate = recipe["trainer"]["crop_s"], recipe["sharding"]["sample_rate"]
    if not isinstance(crop_s, Sequence):
        return None
    shortest, longest = (round(bound_s * sample_rate) for bound_s in crop_bounds(crop_s))
    return DrawnCrops(shortest, longest, seed=recipe["seed"], num_frames=front_end.num_frames)


def example_source(shared: Shared) -> ExampleMaker | StoredExamples:
    """Return what makes the examples of a training's blocks, or reads them."""
    recipe = shared.recipe
    if shared.stored is None:
        return example_maker(recipe)
    return StoredExamples(shared.stored, copies=recipe["features"]["copies"], speeds=recipe["trainer"]["speeds"])


def example_stream(reference: ray.ObjectRef, *, first_block: int, last_block: int) -> ray.data.Dataset:
    """Stream the examples of a plan's blocks, in order, made by tasks anywhere in the cluster."""
    data_context().execution_options.preserve_order = True
    num_blocks = last_block - first_block
    numbers = ray.data.range(num_blocks, override_num_blocks=min(num_blocks, MAX_READ_TASKS))
    return numbers.map_batches(
        functools.partial(_make_examples, reference=[reference], first_block=first_block), batch_size=1, num_cpus=1
    )


@functools.lru_cache(maxsize=1)
def _source_of(reference: ray.ObjectRef) -> tuple[Shared, ExampleMaker | StoredExamples]:
    shared = ray.get(reference)
    return shared, example_source(shared)


def _make_examples(
    batch: dict[str, np.ndarray], *, reference: list[ray.ObjectRef], first_block: int
) -> dict[str, np.ndarray]:
    shared, source = _source_of(reference[0])
    block = shared.plan.block(first_block + int(batch["id"][0]))
    return source.block(block, speakers=shared.speakers, banks=shared.banks)


def local_batches(shared: Shared, *, first_block: int) -> Iterator[dict[str, Tensor]]:
    """Make the batches of a plan in this process."""
    recipe, plan = shared.recipe, shared.plan
    source, size = example_source(shared), recipe["trainer"]["batch_size"]
    rest: dict[str, np.ndarray] = {}
    for number in range(first_block, recipe["trainer"]["num_epochs"] * plan.blocks_per_epoch):
        made = source.block(plan.block(number), speakers=shared.speakers, banks=shared.banks)
        if not len(made["speaker"]):
            continue
        rest = {key: np.concatenate([rest[key], made[key]]) if rest else made[key] for key in made}
        while len(rest["speaker"]) >= size:
            yield {key: torch.from_numpy(value[:size]) for key, value in rest.items()}
            rest = {key: value[size:] for key, value in rest.items()}
