"""Get the configured trial lists ready for scoring: read or made, recognised, checked, in the ids of a store."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.checkpoints.components import Component
from avis.engine.recipe import ScoreRecipe
from avis.lineage import Lineage
from avis.schema import ENROLMENTS, SCORES, TRIALS
from avis.scoring.enrolment import expand, read_enrolments
from avis.scoring.gallery import Gallery
from avis.scoring.known_lists import recognise
from avis.scoring.pairing import Pairing
from avis.scoring.trial_checks import TrialChecks
from avis.scoring.trial_ids import resolve
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
    ``facts["flagged"]`` what the checks counted (see `avis.scoring.trial_checks.TrialChecks.apply`).
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


def read_lists(recipe: ScoreRecipe, index: pa.Table, *, lineage: Lineage) -> dict[str, TrialList]:
    """Return the configured lists by their names.

    Parameters
    ----------
    recipe : ScoreRecipe
    index : pyarrow.Table
        See `read_index`.
    lineage : Lineage
        What the model was trained on, or will be, and the models before it.

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
        if path is None:
            models, (trials, flagged) = None, checks.apply(listed, index, lineage=lineage)
        else:
            read = read_enrolments(location.absolute(path))
            trials, models, flagged = _resolve_models(listed, read, index, checks, lineage)
        lists[name] = TrialList(trials, models, {"list": facts, "flagged": flagged})
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


def _resolve_models(
    trials: pa.Table, enrolments: pa.Table, index: pa.Table, checks: TrialChecks, lineage: Lineage
) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """Bring trials of enrolment models into the ids of the store, and return the models that they name.

    Each trial is checked as the trials of its model's utterances; none of them may be missing.
    """
    member, trial = expand(trials, enrolments)
    named, member = np.unique(member, return_inverse=True)
    models = enrolments.take(pa.array(named))
    rows, tests = _rows_of(models["utt_id"], index), _rows_of(trials["test"], index)
    pairs, answers = np.stack([rows[member], tests[trial]]), trials["target"].take(pa.array(trial))
    flagged = {"missing_ids": 0} | checks.check(pairs, answers, index, lineage=lineage)
    counted = pa.table({"model": models["enroll_model"], "speaker": index["speaker"].take(rows)}).group_by("model")
    several = counted.aggregate([("speaker", "count_distinct")])
    several = several.filter(pc.greater(several["speaker_count_distinct"], 1))["model"]
    if len(several):
        raise ValueError(
            f"An enrolment model is of one speaker: got {len(several)} models of several, expected none. "
            f"At enrolments, {', '.join(several[:NAMES_SHOWN].to_pylist())}. Correct the table."
        )
    trials = trials.set_column(trials.schema.get_field_index("test"), "test", index["utt_id"].take(tests))
    return trials, models.set_column(1, ENROLMENTS.field("utt_id"), index["utt_id"].take(rows)), flagged


def _rows_of(ids: pa.ChunkedArray, index: pa.Table) -> np.ndarray:
    """Return where listed utterances are in a store; see `avis.scoring.trial_ids.resolve`."""
    corpora = sorted(index["corpus"].unique().to_pylist())
    return resolve(pa.table({"enroll": ids, "test": ids}), index["utt_id"], corpora=corpora)[1][0]


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
