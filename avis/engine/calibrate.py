"""Fit the calibration on speakers who are neither trained on nor tested."""

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate

from avis import location
from avis.digest import fingerprint, table_digest
from avis.engine.embed import checkpoint_digest
from avis.engine.kept import fitted_once
from avis.engine.pairs import score_pairs, state_digest
from avis.engine.sides import enrolment_mean, gather_sides
from avis.names import shared
from avis.schema import ENROLMENTS, TRIALS
from avis.scoring.calibration import Calibration, ScoresDoNotRise
from avis.scoring.decision import OperatingPoint
from avis.scoring.pairing import Pairing
from avis.scoring.score_norm import ScoreNorm
from avis.scoring.trial_ids import gather, resolve
from avis.scoring.trials import check_both_kinds, read_trials

NAMES_SHOWN = 5


@dataclass(frozen=True)
class Decisions:
    """How scores become log-likelihood ratios and decisions; either may be None."""

    calibration: Calibration | None
    operating_point: OperatingPoint | None


def build_decisions(cfg: dict[str, Any], backend: Any) -> Decisions:
    """Build what the configuration has of calibration and operating point, not fitted yet.

    Raises
    ------
    ValueError
        If a value is out of range, an operating point lacks a key or a calibration, or a measure its back-end.
    """
    given, point = cfg.get("calibration"), cfg.get("operating_point")
    calibration = instantiate(given["model"]) if given else None
    if calibration and "cohort_mean" in calibration.measures and not isinstance(backend, ScoreNorm):
        raise ValueError(
            f"measure without cohort: got cohort_mean for the back-end {type(backend).__name__}, expected a score "
            "normalisation. At calibration.model.measures. Leave it out, or choose a back-end such as "
            "scoring=wccn_as_norm."
        )
    if point is None:
        return Decisions(calibration, None)
    if set(point) != {"p_target", "c_miss", "c_fa"} or not all(isinstance(v, int | float) for v in point.values()):
        raise ValueError(
            f"operating point incomplete: got {point}, expected numbers p_target, c_miss and c_fa. At operating_point. "
            "Give operating_point={p_target:0.01,c_miss:1,c_fa:1}."
        )
    if calibration is None:
        raise ValueError(
            f"decision without calibration: got operating_point={point} and no calibration, expected both. "
            "At calibration. Add calibration=linear, since its threshold is one on log-likelihood ratios, or "
            "operating_point=none."
        )
    return Decisions(calibration, OperatingPoint(**point))


def calibration_trials(cfg: dict[str, Any], index: pa.Table) -> pa.Table | None:
    """Return the configured calibration list in the store's ids, or pairs of its validation speakers.

    Returns
    -------
    pyarrow.Table or None
        In schema `avis.schema.TRIALS`; None without calibration, or where the store has no validation speakers.

    Raises
    ------
    ValueError
        If the list cannot be read, names utterances that the store lacks, or has unknown answers or one kind alone.
    """
    given = cfg.get("calibration")
    if not given:
        return None
    if given["trials"] is None:
        return _validation_pairs(index, given["max_trials"], cfg["seed"])
    path = location.absolute(str(given["trials"]))
    listed = read_trials(path)
    check_both_kinds(listed, where=path)
    trials, _ = resolve(listed, index["utt_id"], corpora=sorted(index["corpus"].unique().to_pylist()))
    if trials["target"].null_count:
        raise ValueError(
            f"answers unknown: got {trials['target'].null_count} calibration trials without target, expected none. "
            f"At {path}. Calibrate on a list whose answers are known."
        )
    return trials.select(["enroll", "test", "target"])


def _validation_pairs(index: pa.Table, max_trials: int, seed: int) -> pa.Table | None:
    """Draw pairs of held-out utterances: targets across sessions where speakers have several."""
    held_out = index.filter(pc.equal(index["split"], "validation"))
    if not len(held_out):
        return None
    sessions = held_out.group_by("speaker").aggregate([("session", "count_distinct")])
    pairing = Pairing(
        split="validation",
        cross_session=pc.max(sessions["session_count_distinct"]).as_py() > 1,
        same=[],
        max_target=max_trials,
        max_nontarget=max_trials,
        balanced=False,
        seed=seed,
    )
    return pairing.pairs(held_out)


class CalibrationTrials(NamedTuple):
    """Trials to calibrate on, their enrolment models, and of how many utterances the tested models mostly are.

    ``trials`` is None where there are none; ``models``, in schema `avis.schema.ENROLMENTS`, and ``size`` are None where
    the tested enrolments are utterances.
    """

    trials: pa.Table | None
    models: pa.Table | None = None
    size: int | None = None


def with_models(trials: pa.Table | None, index: pa.Table, tested: pa.Table | None) -> CalibrationTrials:
    """Let enrolments of calibration trials be models of as many utterances as the tested models have (their median).

    To the utterance of a trial others of its speaker are added: where the test is by the same speaker, from other
    sessions than the test's if that is not the enrolment's own, else any but the test itself.

    Parameters
    ----------
    trials : pyarrow.Table or None
        See `calibration_trials`.
    index : pyarrow.Table
        See `avis.engine.trial_lists.read_index`.
    tested : pyarrow.Table or None
        The tested models, in schema `avis.schema.ENROLMENTS`.
    """
    if tested is None:
        return CalibrationTrials(trials)
    size = round(float(np.median(tested["enroll_model"].combine_chunks().value_counts().field("counts").to_numpy())))
    if trials is None:
        return CalibrationTrials(None, None, size)
    named = index["speaker"].take(gather(utterances_of(trials), index["utt_id"])).unique()
    rows = index.filter(pc.is_in(index["speaker"], value_set=named)).sort_by("utt_id")
    known = {row["utt_id"]: row for row in rows.select(["utt_id", "speaker", "session"]).to_pylist()}
    of_speaker: dict[str, list[str]] = {}
    for utt_id, row in known.items():
        of_speaker.setdefault(row["speaker"], []).append(utt_id)
    models: dict[str, list[str]] = {}
    enrolled = []
    for enroll, test in zip(trials["enroll"].to_pylist(), trials["test"].to_pylist(), strict=True):
        one, other = known[enroll], known[test]
        column = "utt_id" if one["session"] == other["session"] else "session"
        avoided = other[column] if one["speaker"] == other["speaker"] else None
        enrolled.append(f"{enroll} {avoided}")
        if enrolled[-1] not in models:
            spoken = of_speaker[one["speaker"]]
            first = spoken.index(enroll)
            following = (*spoken[first + 1 :], *spoken[:first])
            models[enrolled[-1]] = [enroll, *[each for each in following if known[each][column] != avoided][: size - 1]]
    flat = [(name, utt_id) for name, members in models.items() for utt_id in members]
    table = pa.table([pa.array(side, pa.string()) for side in zip(*flat, strict=True)], schema=ENROLMENTS)
    return CalibrationTrials(trials.set_column(0, TRIALS.field("enroll"), pa.array(enrolled)), table, size)


def check_calibration_speakers(
    trials: pa.Table, index: pa.Table, *, trained: Collection[str], tested: set[str]
) -> set[str]:
    """Return the speakers of the calibration trials.

    Raises
    ------
    ValueError
        If one of them is trained on or tested.
    """
    rows = gather(utterances_of(trials), index["utt_id"])
    speakers = set(index["speaker"].take(rows).to_pylist())
    for others, what in ((trained, "trained on"), (tested, "tested")):
        both = shared(speakers, others)
        if both:
            raise ValueError(
                f"calibration speaker {what}: got {len(both)} speakers of the calibration trials among those {what}, "
                f"expected none. At {', '.join(both[:NAMES_SHOWN])}. Calibrate on other speakers, or leave "
                "calibration.trials=null for the validation speakers."
            )
    return speakers


def utterances_of(trials: pa.Table) -> pa.Array:
    """Return the ids of a list in the store's ids, each once."""
    return pa.chunked_array([*trials["enroll"].chunks, *trials["test"].chunks], pa.string()).unique()


def fitted_decisions(
    cfg: dict[str, Any],
    checkpoint: str,
    decisions: Decisions,
    given: CalibrationTrials,
    index: pa.Table,
    *,
    backend: Any,
    embed: Callable[[pa.Array], pa.Table],
    run_dir: str,
) -> tuple[Decisions, list[str]]:
    """Return the decisions with their calibration fitted, and what is to be warned of.

    The calibration is kept beside the checkpoint and reused. Scores that do not rise from non-target to target trials
    are neither calibrated nor decided on.

    Parameters
    ----------
    given : CalibrationTrials
        See `with_models`.
    index : pyarrow.Table
        Light columns of the utterances table.
    backend
        Fitted.
    embed : callable
        Returns the embeddings table of some utterances.

    Raises
    ------
    ValueError
        If there is nothing to fit the calibration on and none was kept.
    """
    calibration = decisions.calibration
    if calibration is None:
        return decisions, []
    data = None
    if given.trials is not None:
        tables = [table for table in (given.trials, given.models, _used(given, index)) if table is not None]
        data = fingerprint([state_digest(backend), *map(table_digest, tables)])
    enrolled = [] if given.size is None else [given.size, enrolment_mean(cfg)]
    recipe = fingerprint([cfg["scoring"], cfg["calibration"], checkpoint_digest(checkpoint), *enrolled])
    fit = functools.partial(_fit, cfg, calibration, given, index, backend=backend, embed=embed, run_dir=run_dir)
    try:
        fitted_once(
            calibration, checkpoint, kind="calibration", recipe=recipe, data=data, fit=fit, needs="validation speakers"
        )
    except ScoresDoNotRise as error:
        warning = f"There are no likelihood ratios and no decisions, since the scores could not be calibrated. {error}"
        print(f"warning: {warning}", flush=True)
        return Decisions(None, None), [warning]
    return decisions, list(_smaller_models(given))


def _used(given: CalibrationTrials, index: pa.Table) -> pa.Table:
    """Return identities of the utterances that are calibrated on."""
    assert given.trials is not None
    enroll = given.trials["enroll"] if given.models is None else given.models["utt_id"]
    used = pa.chunked_array([*enroll.chunks, *given.trials["test"].chunks], pa.string()).unique()
    return index.take(gather(used, index["utt_id"])).select(["utt_id", "speaker", "sha256"])


def _fit(
    cfg: dict[str, Any],
    calibration: Calibration,
    given: CalibrationTrials,
    index: pa.Table,
    *,
    backend: Any,
    embed: Callable[[pa.Array], pa.Table],
    run_dir: str,
) -> None:
    assert given.trials is not None
    own = embed(_used(given, index)["utt_id"].combine_chunks())
    sides, numbers = gather_sides(cfg, given.models, own, index, backend, calibration, run_dir)
    enroll, test = numbers(given.trials["enroll"]), gather(given.trials["test"], own["utt_id"])
    scores, features = score_pairs(backend, sides, enroll, test)
    target = given.trials["target"].to_numpy(zero_copy_only=False).astype(bool)
    calibration.fit(scores.get("score_norm", scores["score"]), features, target)


def _smaller_models(given: CalibrationTrials) -> Iterator[str]:
    if given.models is None or given.size is None:
        return
    mean = len(given.models) / len(given.models["enroll_model"].unique())
    if mean < given.size - 0.5:
        yield (
            f"Likelihood ratios may be off: calibration speakers were enrolled with {mean:.1f} utterances on average, "
            f"for want of more, but tested ones mostly with {given.size}."
        )
