"""Get the configured trial lists ready for scoring: read or made, recognised, checked, in the ids of a store."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.checkpoints.components import Component
from avis.engine.recipe import ScoreRecipe
from avis.engine.workers.console import warn_once
from avis.evaluation.score_table import LEFT_OUT
from avis.lineage import Lineage
from avis.metrics.list_metrics import UNKNOWN, LeftOut
from avis.reports.wording import left_out
from avis.schema import ENROLMENTS, SCORES, TRIALS
from avis.scoring.enrolment import expand, read_enrolments
from avis.scoring.gallery import Gallery
from avis.scoring.known_lists import recognise
from avis.scoring.pairing import Pairing
from avis.scoring.trial_checks import TrialChecks, nothing_left
from avis.scoring.trial_ids import NO_REJECTS, find, why_missing
from avis.scoring.trials import check_both_kinds, read_trials

INDEX_COLUMNS = [
    *("utt_id", "speaker", "session", "corpus", "split", "attributes"),
    *("num_samples", "sample_rate", "sha256", "speech_s"),
]
NAMES_SHOWN = 5


class TrialList(NamedTuple):
    """A list in the ids of a store, the enrolment models it names, and what goes into the manifest of its scores.

    ``models`` is in schema `avis.schema.ENROLMENTS`; None where ``enroll`` names an utterance.
    ``facts["list"]`` has the ``name`` of the published list that it is and with what ``certainty`` (see
    `avis.scoring.known_lists.Recognition`), and the ``md5`` of its file or the ``pairing`` that made it;
    ``facts["flagged"]`` what the checks counted (see `avis.scoring.trial_checks.TrialChecks.apply`);
    ``facts["left_out"]``, where something is, an `avis.metrics.list_metrics.LeftOut`.
    """

    trials: pa.Table
    models: pa.Table | None
    facts: dict[str, Any]


def read_index(utterances: str) -> pa.Table:
    """Return the columns of a store that trials are made, checked and calibrated by; unknown speakers are null."""
    index = store.read_table(utterances, "utterances", columns=INDEX_COLUMNS)
    for name in ("speaker", "session"):
        known = pc.if_else(pc.equal(index[name], ""), None, index[name])
        index = index.set_column(index.column_names.index(name), name, known)
    return index


def read_rejects(utterances: str) -> pa.Table:
    """Return what was rejected when a store was made, in schema `avis.schema.REJECTS`."""
    any_there = store.open_manifest(utterances)["rows"].get("rejects")
    return store.read_table(utterances, "rejects") if any_there else NO_REJECTS


def read_lists(
    recipe: ScoreRecipe, index: pa.Table, *, lineage: Lineage, rejects: pa.Table = NO_REJECTS
) -> dict[str, TrialList]:
    """Return the configured lists by their names.

    Parameters
    ----------
    recipe : ScoreRecipe
    index : pyarrow.Table
        See `read_index`.
    lineage : Lineage
        What the model was trained on, or will be, and the models before it.
    rejects : pyarrow.Table
        Says why utterances are missing; see `read_rejects`.

    Raises
    ------
    ValueError
        If there is no list, one cannot be read or made, or does not pass the checks.
    """
    checks, lists = recipe.trial_checks, {}
    for name, (source, enrolments) in _sources(recipe).items():
        path = recipe.enrolments or enrolments
        if isinstance(source, Component):
            listed, facts = _from_pairing(source, index)
        else:
            listed, facts = _from_file(source, models=path is not None)
        _check_columns(listed, name)
        enrolments = None if path is None else read_enrolments(location.absolute(path))
        resolved = _resolve(listed, enrolments, _Known(index, rejects, checks), lineage)
        facts = {"list": facts, "flagged": resolved.flagged, **_left_out(name, listed, resolved, rejects)}
        lists[name] = TrialList(resolved.trials, resolved.models, facts)
    return lists


def named_utterances(lists: Mapping[str, TrialList]) -> pa.Array:
    """Return the ids of the utterances on either side of any of the lists, each once."""
    enroll = [trials["enroll"] if models is None else models["utt_id"] for trials, models, _ in lists.values()]
    columns = [*enroll, *(trials["test"] for trials, _, _ in lists.values())]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).unique()


def named_models(lists: Mapping[str, TrialList]) -> pa.Table | None:
    """Return the enrolment models of all lists, sorted by model, or None where there are none."""
    models = [listed.models for listed in lists.values() if listed.models is not None]
    if not models:
        return None
    distinct = pa.concat_tables(models).group_by(ENROLMENTS.names).aggregate([])
    return distinct.sort_by([(name, "ascending") for name in ENROLMENTS.names])


def enrolled(lists: Mapping[str, TrialList]) -> pa.Table | None:
    """Return the models of all lists, an utterance that is enrolled by itself as a model of its own name.

    None where no list has models.
    """
    models = named_models(lists)
    alone = [listed.trials["enroll"].unique() for listed in lists.values() if listed.models is None]
    if models is None or not alone:
        return models
    singles = pa.chunked_array(alone, pa.string()).unique()
    return pa.concat_tables([models, pa.table([singles, singles], schema=ENROLMENTS)])


def _check_columns(trials: pa.Table, name: str) -> None:
    taken = sorted({*trials.column_names} & ({*SCORES.names} - {*TRIALS.names}))
    if taken:
        raise ValueError(
            f"trial column taken: got columns {', '.join(taken)}, expected other names, since these are written by "
            f"the scoring. At trials {name}. Rename or remove them."
        )


class _Known(NamedTuple):
    """What is known of a store's utterances, and what is to be done about those that it lacks."""

    index: pa.Table
    rejects: pa.Table
    checks: TrialChecks

    def find(self, ids: pa.ChunkedArray) -> np.ndarray:
        """Return where listed utterances are, -1 for those that are left out; see `avis.scoring.trial_ids.find`."""
        corpora, allowed = sorted(self.index["corpus"].unique().to_pylist()), self.checks.leave_out_missing
        known = self.index["utt_id"]
        return find(ids, known, corpora=corpora, leave_out_missing=allowed, rejects=self.rejects)


class _Resolved(NamedTuple):
    """A list in the ids of a store, its models, what the checks counted, and the ids that the store lacks."""

    trials: pa.Table
    models: pa.Table | None
    flagged: dict[str, int]
    missing: pa.Array


def _resolve(trials: pa.Table, enrolments: pa.Table | None, known: _Known, lineage: Lineage) -> _Resolved:
    if enrolments is not None:
        return _resolve_models(trials, enrolments, known, lineage)
    resolved, flagged = known.checks.apply(trials, known.index, lineage=lineage, rejects=known.rejects)
    missing = pa.array([], pa.string())
    if flagged["missing_ids"]:
        ids = pa.chunked_array([*trials["enroll"].chunks, *trials["test"].chunks], pa.string()).unique()
        missing = ids.filter(pa.array(known.find(pa.chunked_array([ids])) < 0))
    return _Resolved(resolved, None, flagged, missing)


def _resolve_models(trials: pa.Table, enrolments: pa.Table, known: _Known, lineage: Lineage) -> _Resolved:
    """Bring trials of enrolment models into the ids of the store, and return the models that they name.

    Each trial is checked as the trials of its model's utterances. A model is of those of them that the store has, where
    missing ones may be left out.
    """
    num_listed, index = len(trials), known.index
    member, _ = expand(trials, enrolments)
    models = enrolments.take(pa.array(np.unique(member)))
    rows, tests = known.find(models["utt_id"]), known.find(trials["test"])
    lacking = [models["utt_id"].filter(pa.array(rows < 0)), trials["test"].filter(pa.array(tests < 0))]
    missing = pa.chunked_array([chunk for column in lacking for chunk in column.chunks], pa.string())
    models, rows = models.filter(pa.array(rows >= 0)), rows[rows >= 0]
    kept = (tests >= 0) & np.asarray(pc.is_in(trials["enroll"], value_set=models["enroll_model"].unique()))
    trials, tests = trials.filter(pa.array(kept)), tests[kept]
    if not len(trials):
        raise nothing_left(num_listed, missing.unique())
    named = np.asarray(pc.is_in(models["enroll_model"], value_set=trials["enroll"].unique()))
    models, rows = models.filter(pa.array(named)), rows[named]
    member, trial = expand(trials, models)
    pairs, answers = np.stack([rows[member], tests[trial]]), trials["target"].take(pa.array(trial))
    flagged = {"missing_ids": num_listed - len(trials)} | known.checks.check(pairs, answers, index, lineage=lineage)
    _check_models(models, index["speaker"].take(rows))
    trials = trials.set_column(trials.schema.get_field_index("test"), "test", index["utt_id"].take(tests))
    models = models.set_column(1, ENROLMENTS.field("utt_id"), index["utt_id"].take(rows))
    return _Resolved(trials, models, flagged, missing.unique())


def _check_models(models: pa.Table, speakers: pa.ChunkedArray) -> None:
    counted = pa.table({"model": models["enroll_model"], "speaker": speakers}).group_by("model")
    several = counted.aggregate([("speaker", "count_distinct")])
    several = several.filter(pc.greater(several["speaker_count_distinct"], 1))["model"]
    if len(several):
        raise ValueError(
            f"An enrolment model is of one speaker: got {len(several)} models of several, expected none. "
            f"At enrolments, {', '.join(several[:NAMES_SHOWN].to_pylist())}. Correct the table."
        )


def _left_out(name: str, listed: pa.Table, resolved: _Resolved, rejects: pa.Table) -> dict[str, Any]:
    """Return what a manifest says of the part of a list that is left out, and warn of it; nothing where none is."""
    if not len(resolved.missing):
        return {}
    num_left_out = len(listed) - len(resolved.trials)
    check_both_kinds(resolved.trials, where=f"trials {name}, of which {num_left_out} are left out")
    reasons = why_missing(resolved.missing, rejects)["reason"].fill_null(UNKNOWN).value_counts().to_pylist()
    utterances = {row["values"]: row["counts"] for row in reasons}
    left = LeftOut(trials=num_left_out, of=len(listed), utterances=utterances)
    warn_once(f"{name}: {left_out(left)}")
    return {LEFT_OUT: asdict(left)}


def _sources(recipe: ScoreRecipe) -> dict[str, tuple[str | Component[Pairing | Gallery], str | None]]:
    """Return of each list what it is read or made from, and where its enrolment models are, if it has its own."""
    if recipe.trials is None:
        corpora = [corpus.build() for corpus in recipe.corpora.values()]
        own = [corpus.trial_lists for corpus in corpora if hasattr(corpus, "trial_lists")]
        if not own:
            raise ValueError(
                f"no trial list: got trials=null, expected a list, since {', '.join(c.name for c in corpora)} has none "
                "of its own. At trials. Give trials=<path> or trials={<name>: <path>}, or let pairing=cross_session "
                "make one."
            )
        return {name: paths for lists in own for name, paths in lists.items()}
    return {name: (source, None) for name, source in recipe.trials.items()}


def _from_file(path: str, *, models: bool) -> tuple[pa.Table, dict[str, Any]]:
    path = location.absolute(path)
    trials = read_trials(path)
    check_both_kinds(trials, where=path)
    md5 = hashlib.md5(location.read_bytes(path), usedforsecurity=False).hexdigest()
    return trials, {**recognise(trials, md5=md5, models=models)._asdict(), "md5": md5}


def _from_pairing(pairing: Component[Pairing | Gallery], index: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    return pairing.build().pairs(index), {"name": None, "certainty": None, "pairing": dict(pairing.plain)}
