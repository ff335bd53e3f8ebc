"""Gather what a training needs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import find_ancestors, last_checkpoints
from avis.engine.examples.banks import make_banks
from avis.engine.examples.materialize import materialize
from avis.engine.recipe import Recipe
from avis.lineage import Lineage, TrainedOn
from avis.training.example_inputs import ExampleInputs
from avis.training.examples import speaker_counts, speaker_index
from avis.training.learnable import check_held_out, check_local_batch, check_trained_on
from avis.training.plan import Plan, RowGroup, find_long_enough, keep_rows, list_row_groups
from avis.training.repetition import say_repetition


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What every worker of a training needs.

    Attributes
    ----------
    recipe : Recipe
    examples : ExampleInputs
    validation : list of RowGroup
        Held-out utterances.
    utterances_per_speaker : int64 [speakers]
    start : Checkpoint or None
        The checkpoint whose weights the training starts with.
    lineage : Lineage
        What the model and those before it are trained on.
    """

    recipe: Recipe
    examples: ExampleInputs
    validation: list[RowGroup]
    utterances_per_speaker: np.ndarray
    start: Checkpoint | None
    lineage: Lineage


def gather_inputs(recipe: Recipe, utterances: str, num_workers: int, run_dir: str | None = None) -> TrainingInputs:
    """Plan a training and gather what its workers need, features computed beforehand among it.

    Of a run that goes on, what it started from is not looked at: its own last checkpoint has all of that.

    Raises
    ------
    ValueError
        If the store cannot serve the recipe, or settings do not go together.
    """
    recipe = recipe.placed().with_teachers()
    features = recipe.examples.features
    features.build_front_end()
    recipe.trainer.check_placement(features.placement, recipe.examples.augment.placement)
    check_local_batch(recipe.trainer, recipe.model, num_workers)
    groups = list_row_groups(utterances, "train")
    rows = store.read_table(utterances, "utterances", columns=["speaker", "num_samples", "sha256"], prefix="train-")
    durations_s = rows["num_samples"].to_numpy() / recipe.sharding.sample_rate
    long_enough = find_long_enough(durations_s, recipe.trainer.min_utterance_s)
    check_trained_on(rows["speaker"].filter(pa.array(long_enough)), durations_s, recipe.trainer.crop_s)
    check_held_out(held_out_speakers(recipe, utterances), num_workers)
    plan = Plan(
        keep_rows(groups, long_enough),
        seed=recipe.seed,
        groups_per_block=recipe.trainer.groups_per_block,
        passes_per_epoch=recipe.trainer.passes_per_epoch,
        global_batch=recipe.trainer.batch_size,
        num_epochs=recipe.trainer.num_epochs,
        utterances_per_speaker=recipe.trainer.utterances_per_speaker,
    )
    say_repetition(plan, rows["speaker"].filter(pa.array(long_enough)).to_pylist())
    goes_on = run_dir is not None and bool(last_checkpoints(run_dir))
    start = Checkpoint.open(recipe.start_from) if recipe.start_from and not goes_on else None
    banks, stored = make_banks(recipe.examples, utterances, output_dir=recipe.output_dir), None
    if features.placement == "materialize":
        stored = materialize(
            recipe.examples, utterances, groups, banks, output_dir=recipe.output_dir, compute=recipe.compute
        )
    return TrainingInputs(
        recipe=recipe,
        examples=ExampleInputs(
            settings=recipe.examples,
            plan=plan,
            speakers=speaker_index(rows["speaker"]),
            banks=banks,
            stored=stored,
        ),
        validation=list_row_groups(utterances, "validation"),
        utterances_per_speaker=speaker_counts(rows["speaker"]),
        start=start,
        lineage=find_ancestors(recipe.plain, run_dir).then(TrainedOn.utterances(rows)),
    )


def held_out_speakers(recipe: Recipe, utterances: str) -> pa.ChunkedArray:
    """Return the speakers of the utterances that are validated on."""
    held_out = store.read_table(utterances, "utterances", columns=["speaker"], prefix="validation-")["speaker"]
    return held_out[: recipe.trainer.max_validation_utterances]
