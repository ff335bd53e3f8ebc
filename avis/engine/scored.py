"""Find how a model scored trials: a run's own, or any others as `pipelines/score.py` takes them; score what is not."""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
from hydra.core.hydra_config import HydraConfig

from avis import location, store
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.config import fill, moved_to
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import arguments
from avis.engine.recipe import Recipe, ScoreRecipe
from avis.engine.runs import started_on
from avis.engine.score import origin, read_trials, score
from avis.engine.train import checkpoint_choice, trained
from avis.engine.trials.lists import read_index
from avis.engine.workers.compute import Compute
from avis.evaluation.evaluate import with_answers
from avis.run_folder import CONFIG, VERIFIER, check_run_name
from avis.starting import how_to_start

OWN = ("run=", "checkpoint=", "output_dir=", "compute", "verbose=", "log=")
"""What may be said beside what is to be done with the scores, so that they are a run's own."""


class Scored(NamedTuple):
    """Lists that a model scored.

    Attributes
    ----------
    recipe : ScoreRecipe
    checkpoint : Checkpoint
    utterances : str
        URI of the store.
    scores : dict of str to str
        Scores table of each list.
    answered : dict of str to str
        Of these, those of lists whose answers are known.
    models : dict of str to pyarrow.Table or None
        Enrolment models of each list; see `avis.engine.trials.lists.TrialList`.
    folder : str
        Where embeddings and scores lie.
    evaluated : str
        Where the report on them is, if there is one.
    facts : dict of str to str
        What that says of where they come from.
    """

    recipe: ScoreRecipe
    checkpoint: Checkpoint
    utterances: str
    scores: dict[str, str]
    answered: dict[str, str]
    models: dict[str, pa.Table | None]
    folder: str
    evaluated: str
    facts: dict[str, str]


def model_of(asked: Mapping[str, Any]) -> str:
    """Return the folder of the run, or the path of the checkpoint, that is asked for.

    Raises
    ------
    ValueError
        If none is, or two are.
    """
    run, checkpoint = asked["run"], asked["checkpoint"]
    if (run is None) == (not checkpoint):
        raise ValueError(
            f"which model: got run={run} and checkpoint={checkpoint or None}, expected one of them. At run. Give the "
            "name of a run that was scored: run=<run>."
        )
    if run is None:
        return location.absolute(str(checkpoint)).rstrip("/")
    return location.join(location.absolute(str(asked["output_dir"])), "runs", check_run_name("run", str(run)))


def scored(model: str, asked: Mapping[str, Any], *, beside: tuple[str, ...]) -> Scored:
    """Return the scores of a run's own trials or, where other ones are asked for, of these.

    Parameters
    ----------
    model : str
        See `model_of`.
    asked : mapping
        As `avis.engine.config.check_composed` returns it.
    beside : tuple of str
        How overrides begin that are none of trials and scores.

    Raises
    ------
    ValueError
        If there is no such run, it did not end, its recordings are gone, or see `avis.engine.score.score`.
    """
    if model.endswith(".ckpt"):
        return _of_other_trials(Checkpoint.open(model), asked)
    recipe = recipe_of(model, asked)
    checkpoint = trained(recipe, model)
    overrides = HydraConfig.get().overrides.task
    if all(override.startswith((*OWN, *beside)) for override in overrides):
        return _of_run(model, recipe, checkpoint)
    return _of_other_trials(checkpoint, asked)


def recipe_of(run_dir: str, asked: Mapping[str, Any]) -> Recipe:
    """Return the configuration of a run that has ended, but for where it goes on; a ValueError where there is none."""
    for name in (CONFIG, VERIFIER):
        if not location.exists(location.join(run_dir, name)):
            raise ValueError(
                f"no run that was scored: got no {name}, expected that of a run. At {run_dir}. Give another run, or "
                f"{go_on(run_dir)}."
            )
    saved = moved_to(location.absolute(str(asked["output_dir"])), store.read_json(location.join(run_dir, CONFIG)))
    return replace(Recipe.of(saved), compute=Compute(**arguments(asked["compute"])))


def utterances_of(run_dir: str, recipe: Recipe) -> str:
    """Return the store that a run was started on; a ValueError where it is gone."""
    utterances = started_on(recipe)
    if utterances is None:
        raise ValueError(
            f"recordings of a run are gone: got no store {recipe.plain.get('utterances')}, expected the one that it "
            f"was started on. At {run_dir}. Put it back, or {go_on(run_dir)}."
        )
    return utterances


def go_on(run_dir: str) -> str:
    """Say how a run is gone on with, which scores it again and leaves its verifier anew."""
    outputs = location.parent(location.parent(run_dir))
    run = posixpath.basename(location.split_query(run_dir)[0])
    where = [] if outputs == location.absolute("outputs") else [f"output_dir={outputs}"]
    return f"go on with this one: {how_to_start('train', f'resume={run}', *where)}"


def _of_run(run_dir: str, recipe: Recipe, checkpoint: Checkpoint) -> Scored:
    utterances = utterances_of(run_dir, recipe)
    facts = {"run": run_dir, "choice of checkpoint": checkpoint_choice(recipe, utterances)}
    return _scored(recipe, checkpoint, utterances, folder=run_dir, facts=facts)._replace(evaluated=run_dir)


def _of_other_trials(checkpoint: Checkpoint, asked: Mapping[str, Any]) -> Scored:
    recipe = ScoreRecipe.of(fill({**asked, "checkpoint": checkpoint.uri}, checkpoint.recipe))
    folder = location.join(recipe.output_dir, "scored", checkpoint.digest[:12])
    utterances = prepare(recipe, seen=checkpoint.lineage.before.speakers)
    return _scored(recipe, checkpoint, utterances, folder=folder, facts={})


def _scored(
    recipe: ScoreRecipe, checkpoint: Checkpoint, utterances: str, *, folder: str, facts: dict[str, str]
) -> Scored:
    scores = score(recipe, checkpoint, utterances, folder)
    answered = with_answers(scores)
    lists = read_trials(recipe, utterances, read_index(utterances), lineage=checkpoint.lineage).lists
    return Scored(
        recipe=recipe,
        checkpoint=checkpoint,
        utterances=utterances,
        scores=scores,
        answered=answered,
        models={name: listed.models for name, listed in lists.items()},
        folder=folder,
        evaluated=location.join(folder, "evaluated", fingerprint(sorted((answered or scores).values()))),
        facts={**facts, **origin(recipe, checkpoint, utterances)},
    )
