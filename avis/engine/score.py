"""Score trial lists with a checkpoint: embed, fit what is to be fitted, compare, decide."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.fitted.backend import build_backend, fitted_backend
from avis.engine.fitted.calibration import Calibrator, build_calibration
from avis.engine.fitted.calibration_trials import calibration_trials, check_calibration_speakers, with_models
from avis.engine.recipe import ScoreRecipe
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import (
    TrialList,
    enrolled,
    named_models,
    named_utterances,
    read_index,
    read_lists,
    read_rejects,
)
from avis.engine.trials.scoring import Scorer, score_list
from avis.engine.trials.vectors import TrialVectorMaker
from avis.evaluation.score_table import CALIBRATION, CHECKPOINT, ORIGIN, TRAINED_ON, ScoreTable
from avis.lineage import Lineage, TrainedOn, audio_codes, spelled
from avis.metrics.operating_point import OperatingPoint
from avis.reports.learning_cautions import learning_cautions
from avis.scoring.backend import Backend
from avis.scoring.trial_ids import gather
from avis.structured_log import LOG


def score(recipe: ScoreRecipe, checkpoint: Checkpoint, utterances: str, run_dir: str) -> dict[str, str]:
    """Score the configured trial lists and return the scores table of each.

    Raises
    ------
    ValueError
        If a list cannot be read or made or fails the configured checks (``trial_checks``), or a speaker to calibrate on
        was trained on, by the model or one before it, or is tested.
    """
    LOG.stage = "score"
    build_backend(recipe.scoring)  # what does not go together fails here, not after hours of embedding
    calibration, index = build_calibration(recipe), read_index(utterances)
    trials = read_trials(recipe, utterances, index, lineage=checkpoint.lineage)
    unchecked = checkpoint.lineage.warnings()
    for warning in unchecked:
        print(f"warning: {warning}", flush=True)
    embedder = StoreEmbedder(checkpoint, utterances, run_dir, recipe.compute, recipe.max_window_s)
    embedded = embedder.embed(named_utterances(trials.lists), label="embed trials")
    backend = fitted_backend(recipe.scoring, embedder, index, tested=trials.speakers, seed=recipe.seed)
    measures = calibration.measures if calibration else []
    make_vectors = TrialVectorMaker(backend, measures, recipe.enrolment_mean, run_dir, recipe.compute)
    doubts = [*learning_cautions(checkpoint.history), *_of_cohort(backend)]
    for doubt in doubts:
        print(f"warning: {doubt}", flush=True)
    if calibration is not None:
        calibrated_on = with_models(trials.calibration, index, named_models(trials.lists))
        calibrator = Calibrator(recipe, embedder, make_vectors, index)
        calibration, miscalibrated = calibrator.fitted(calibration, calibrated_on)
        for warning in miscalibrated:
            print(f"warning: {warning}", flush=True)
        doubts += miscalibrated
        make_vectors = replace(make_vectors, measures=calibration.measures if calibration else [])
    vectors = make_vectors.gather(embedded, index, enrolled(trials.lists))
    scorer = Scorer(backend, calibration, recipe.operating_point if calibration else None)
    facts = {"warnings": [*unchecked, *doubts], ORIGIN: origin(recipe, checkpoint, utterances), **_facts(scorer)}
    return {
        name: score_list(
            name,
            listed.trials,
            facts=listed.facts | facts,
            vectors=vectors,
            scorer=scorer,
            run_dir=run_dir,
            compute=recipe.compute,
        )
        for name, listed in trials.lists.items()
    }


def _of_cohort(backend: Backend) -> list[str]:
    return backend.normalized.cohort_cautions() if backend.normalized else []


def _facts(scorer: Scorer) -> dict[str, Any]:
    """Return what the manifest of scores says of the cohort and the calibration."""
    facts: dict[str, Any] = {}
    if scorer.backend.normalized:
        facts["cohort"] = scorer.backend.normalized.describe_cohort()
    if scorer.calibration is not None:
        facts[CALIBRATION] = scorer.calibration.facts()
    return facts


def origin(recipe: ScoreRecipe, checkpoint: Checkpoint, utterances: str) -> dict[str, str]:
    """Return where scores come from, as the page of an evaluation states it."""
    return {
        "utterances": utterances,
        "checkpoint": checkpoint.uri,
        CHECKPOINT: checkpoint.digest,
        TRAINED_ON: str(checkpoint.lineage),
        "configuration hash": fingerprint(recipe.plain),
    }


def check_trials(recipe: ScoreRecipe, utterances: str, ancestors: Lineage) -> None:
    """Check before a training that its trials can be scored after it.

    Parameters
    ----------
    recipe : ScoreRecipe
    utterances : str
        The store that is to be trained on.
    ancestors : Lineage
        What the models that the training comes from were trained on.

    Raises
    ------
    ValueError
        If a list cannot be read or made or fails the configured checks (``trial_checks``), a speaker to calibrate on
        is to be trained on or tested, a held-out speaker was trained on before, or the back-end, its calibration and
        the operating point don't fit each other.
    """
    build_backend(recipe.scoring)
    calibration, index = build_calibration(recipe), read_index(utterances)
    _check_held_out(index.filter(pc.equal(index["split"], "validation")), ancestors)
    trained = TrainedOn.utterances(index.filter(pc.equal(index["split"], "train")))
    trials = read_trials(recipe, utterances, index, lineage=ancestors.then(trained))
    if calibration is not None and trials.calibration is None:
        raise ValueError(
            "nothing to calibrate on: got calibration.trials=null and no validation speakers in the store, expected "
            f"one or the other. At {utterances}. Give calibration.trials=<path>, or hold out speakers."
        )


def _check_held_out(held_out: pa.Table, ancestors: Lineage) -> None:
    """Refuse to choose a checkpoint by speakers that a model before it was trained on.

    A speaker under another name is told by the audio, if most of it was trained on; a copy or two may be a wrong label.
    """
    speakers = held_out["speaker"].to_pylist()
    heard = ancestors.heard(audio_codes(held_out["sha256"]))
    total, known = Counter(speakers), Counter(speakers[row] for row in heard)
    found = {speakers[row]: model for row, model in heard.items() if 2 * known[speakers[row]] > total[speakers[row]]}
    found |= ancestors.seen(total)
    if found:
        raise ValueError(
            f"held-out speaker trained on before: got {len(found)} of {len(total)} held-out speakers, expected none, "
            f"since a checkpoint must not be chosen by what its model knows already. At {spelled(found)}. Name their "
            "corpus as it was named then, and leave extends out, so that others are held out."
        )


class Trials(NamedTuple):
    """The trial lists by name, the trials to calibrate on, and the speakers of both."""

    lists: dict[str, TrialList]
    calibration: pa.Table | None
    speakers: set[str]


def read_trials(recipe: ScoreRecipe, utterances: str, index: pa.Table, *, lineage: Lineage) -> Trials:
    """Read the trials of a recipe, and check them.

    Parameters
    ----------
    recipe : ScoreRecipe
    utterances : str
    index : pyarrow.Table
        See `avis.engine.trials.lists.read_index`.
    lineage : Lineage
        What the model was trained on.

    Raises
    ------
    ValueError
        See `score`.
    """
    rejects = read_rejects(utterances)
    lists = read_lists(recipe, index, lineage=lineage, rejects=rejects)
    tested = set(index["speaker"].take(gather(named_utterances(lists), index["utt_id"])).drop_null().to_pylist())
    calibration = calibration_trials(recipe, index, rejects=rejects)
    if calibration is None:
        return Trials(lists, None, tested)
    calibrated_on = check_calibration_speakers(calibration, index, lineage=lineage, tested=tested)
    return Trials(lists, calibration, tested | calibrated_on)


def show_decisions(scores: Mapping[str, str], point: OperatingPoint | None) -> None:
    """Print what the decisions at the operating point come to, where there are any."""
    if point is None:
        return
    for name, uri in scores.items():
        if "accept" not in ScoreTable(uri).columns:
            continue
        table = store.read_table(uri, "scores", columns=["accept", "expected_cost"])
        print(
            f"{name}: accepted {pc.sum(table['accept'])} of {len(table)} trials at llr >= {point.threshold:.4f} "
            f"(p_target {point.p_target:g}, c_miss {point.c_miss:g}, c_fa {point.c_fa:g}), "
            f"expected cost {pc.mean(table['expected_cost']).as_py():.4f} per trial"
        )
