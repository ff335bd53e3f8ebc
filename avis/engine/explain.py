"""Say of trials why they came out as they did: records of the worst of each list, or of all, and pages to read."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from avis import location, store
from avis.digest import fingerprint
from avis.engine.scored import Scored, go_on
from avis.engine.trials.explainer import OF_TASKS, Explainer
from avis.engine.trials.recordings import find_recordings
from avis.engine.trials.transform import spans
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.evaluation.explained import table_name
from avis.evaluation.score_table import ScoreTable
from avis.explain.scale import ENFSI_2015, Scale
from avis.explain.text.sentences import Preset
from avis.reports.worst_trials import worst_of_chunks
from avis.schema import EXPLAINED
from avis.structured_log import LOG
from avis.verifier.folder import Parts, folder_digest
from avis.verifier.verifier import Verifier

TRIALS_PER_PART, MOST_PARTS = 4, 1000
"""A part takes a worker some seconds; of long lists they are larger, so that there are not too many files."""

OVERRIDES = ("worst=", "checks=", "preset=", "prior=", "verbal_scale=")
"""How what is said of explanations begins on a command line."""

OTHER_SCORE = 1e-3
"""From here on a score that is not the run's is more than rounding."""


@dataclass(frozen=True, kw_only=True)
class Explaining:
    """What is explained, and for whom.

    Attributes
    ----------
    worst : int or None
        So many non-targets that score highest and targets that score lowest of each list; None takes all trials.
    checks, prior, scale
        See `avis.explain.explain.explain`.
    preset : str
        See `avis.explain.text.sentences.sentences`.
    """

    worst: int | None
    checks: bool
    prior: float | None
    scale: Scale
    preset: Preset

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "Explaining":
        """Return that of a configuration.

        Raises
        ------
        ValueError
            If the prior is no probability, or the verbal scale no table.
        """
        prior, bands = asked["prior"], asked["verbal_scale"]
        if prior is not None and not 0.0 < prior < 1.0:
            raise ValueError(
                f"no probability: got prior={prior}, expected a number between 0 and 1. At prior. Correct it, or leave "
                "it out: then no probability is stated."
            )
        scale = ENFSI_2015 if bands is None else Scale(bands)
        return cls(**{key: asked[key] for key in ("worst", "checks", "prior", "preset")}, scale=scale)


def calibrated_verifier(path: str) -> Verifier:
    """Load the verifier of a run or of a checkpoint in one, which is to be calibrated.

    Raises
    ------
    ValueError
        If there is none, or it is of another version of AVIS.
    """
    advice = f"Give a run that was scored, or {go_on(path)}." if not path.endswith(".ckpt") else "Give a run's."
    try:
        verifier = Verifier.load(path)
    except ValueError as error:
        raise ValueError(f"{error} {advice}") from error
    if verifier.calibration is None:
        raise ValueError(
            f"verifier not calibrated: got scores that say nothing by themselves, expected the verifier that a "
            f"training leaves, calibrated on speakers that were held out of it. At {verifier.path}. {advice}"
        )
    return verifier


def check_verifier(verifier: Verifier, scored: Scored) -> None:
    """Refuse a verifier that is not that of the scores, or would put several recordings of a person together otherwise.

    Raises
    ------
    ValueError
        Saying which.
    """
    backend, mean = scored.recipe.scoring.plain["backend"], scored.recipe.enrolment_mean
    if verifier.digest != scored.checkpoint.digest or verifier.parts.scoring != backend:
        raise ValueError(
            f"verifier of another model: got one of checkpoint {verifier.digest[:12]}, expected one of "
            f"{scored.checkpoint.digest[:12]}, with the back-end of the scores. At {verifier.path}. Give the run that "
            "the verifier was left by."
        )
    if mean != "embeddings" and any(models is not None for models in scored.models.values()):
        raise ValueError(
            f"scores averaged over recordings: got enrolment_mean={mean}, expected embeddings, since a verifier has "
            "one embedding of a person. At enrolment_mean. Score with enrolment_mean=embeddings."
        )


def chosen_trials(scored: Scored, *, worst: int | None) -> dict[str, list[int]]:
    """Return which trials of each list are to be explained: rows of its scores table, from 0.

    The worst come first, false accepts before false rejects, as the report on them has them.

    Raises
    ------
    ValueError
        If there is none, since no answers are known.
    """
    if worst is None:
        return {name: list(range(ScoreTable(uri).num_trials)) for name, uri in scored.scores.items()}
    chosen = {}
    for name, uri in scored.answered.items():
        table = ScoreTable(uri)
        found = worst_of_chunks(functools.partial(table.chunks, table.deciding), num=worst)
        chosen[name] = [*found.nontargets, *found.targets]
    if not chosen:
        raise ValueError(
            f"no worst trials: got lists without answers, expected some that are known to be wrong. At trials "
            f"{', '.join(scored.scores)}. Give worst=null to explain all trials."
        )
    if left := [name for name in scored.scores if name not in chosen]:
        print(f"{', '.join(left)}: not explained, since no answers are known; worst=null explains all", flush=True)
    return chosen


def explain_list(name: str, rows: Sequence[int], scored: Scored, verifier: Verifier, explaining: Explaining) -> str:
    """Explain trials of a list, or find them explained, and return the store of the records.

    Parameters
    ----------
    name : str
        Of the list.
    rows : sequence of int
        See `chosen_trials`.
    scored : Scored
    verifier : Verifier
        Calibrated, and that of the scores.
    explaining : Explaining
    """
    LOG.stage = "explain"
    scores = scored.scores[name]
    chosen = sorted(rows)
    how = [explaining.checks, explaining.prior, explaining.scale.bands]
    made_of = [folder_digest(verifier.path), store.open_manifest(scores)["inputs"], chosen]
    inputs = fingerprint([*made_of, store.open_manifest(scored.utterances)["inputs"], *how, EXPLAINED.names])
    uri = location.join(scored.folder, "explained", f"{name}-{inputs}")
    if store.finished(uri, inputs):
        return uri
    tasks = tasks_of(name, chosen, scored)
    make = functools.partial(
        Explainer,
        shared_by_workers(_hearing_stored(verifier, scored), scored.recipe.compute),
        scale=explaining.scale,
        prior=explaining.prior,
        checks=explaining.checks,
    )
    run_parts(uri, tasks, make, compute=scored.recipe.compute, label=f"explain {name}")
    facts = {"trials": name, "scores": table_name(scores), "verifier": verifier.path, "checks": explaining.checks}
    store.finish(uri, parts=tasks, inputs=inputs, facts=facts)
    return uri


def _hearing_stored(verifier: Verifier, scored: Scored) -> Parts:
    """Return the parts of a verifier that hears changed recordings as those of the store were, which are trimmed."""
    return replace(verifier.parts, hearing=replace(scored.recipe.sharding.hearing, trim="none"))


def tasks_of(name: str, rows: Sequence[int], scored: Scored) -> dict[str, pa.Table]:
    """Return the trials of each part with what it takes to explain them; see `Explainer`."""
    table, models = ScoreTable(scored.scores[name]), scored.models[name]
    if taken := sorted({*table.columns} & {*EXPLAINED.names, *OF_TASKS}):
        raise ValueError(
            f"trial column taken: got columns {', '.join(taken)}, expected other names, since these are written by "
            f"the explaining. At trials {name}. Rename or remove them."
        )
    trials = table.rows(table.columns, list(rows))
    members: dict[str, list[str]] = {}
    for row in models.to_pylist() if models is not None else ():
        members.setdefault(row["enroll_model"], []).append(row["utt_id"])
    enrolled = [members.get(each, [each]) for each in trials["enroll"].to_pylist()]
    named = [[*sides, test] for sides, test in zip(enrolled, trials["test"].to_pylist(), strict=True)]
    places = find_recordings(scored.utterances, {utt_id for names in named for utt_id in names})
    trials = trials.append_column("number", pa.array([row + 1 for row in rows], pa.int64()))
    trials = trials.append_column("enrolled", pa.array(enrolled, pa.list_(pa.string())))
    lies = [[{"utt_id": utt_id, **places[utt_id]._asdict()} for utt_id in dict.fromkeys(names)] for names in named]
    trials = trials.append_column("places", pa.array(lies))
    size = max(TRIALS_PER_PART, math.ceil(len(rows) / MOST_PARTS))
    return {
        part: trials.slice(span["start"][0].as_py(), span["stop"][0].as_py() - span["start"][0].as_py())
        for part, span in spans(len(rows), size).items()
    }
