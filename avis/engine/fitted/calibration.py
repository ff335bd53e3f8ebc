"""Fit the calibration on speakers who are neither trained on nor tested."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hydra.utils import instantiate

from avis.digest import fingerprint, table_digest
from avis.engine.fitted.calibration_trials import CalibrationTrials
from avis.engine.fitted.crops import crops_of, named, with_crops
from avis.engine.fitted.fitted_once import fitted_once
from avis.engine.trials.embeddings import checkpoint_digest
from avis.engine.trials.scoring import score_pairs, state_digest
from avis.engine.trials.vectors import enrolment_mean, gather_sides
from avis.reports.calibration_words import beyond_cap, capped_at, fitted_on
from avis.scoring.calibration import Calibration, ScoresDoNotRise
from avis.scoring.decision import OperatingPoint
from avis.scoring.score_norm import ScoreNorm
from avis.scoring.trial_ids import gather


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
    crops_of(cfg)
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


def fitted_decisions(
    cfg: dict[str, Any],
    checkpoint: str,
    decisions: Decisions,
    given: CalibrationTrials,
    index: pa.Table,
    *,
    backend: Any,
    embed: Callable[..., pa.Table],
    run_dir: str,
) -> tuple[Decisions, list[str]]:
    """Return the decisions with their calibration fitted, and what is to be warned of, which is printed too.

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
        Returns the embeddings table of some utterances, or of ``crops`` of theirs.

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
        crops = crops_of(cfg)
        cropped = [dataclasses.astuple(crops)] if crops else []
        data = fingerprint([state_digest(backend), *map(table_digest, tables), *cropped])
    enrolled = [] if given.size is None else [given.size, enrolment_mean(cfg)]
    recipe = fingerprint([cfg["scoring"], cfg["calibration"], checkpoint_digest(checkpoint), *enrolled])
    fit = functools.partial(_fit, cfg, calibration, given, index, backend=backend, embed=embed, run_dir=run_dir)
    try:
        fitted_once(
            calibration, checkpoint, kind="calibration", recipe=recipe, data=data, fit=fit, needs="validation speakers"
        )
    except ScoresDoNotRise as error:
        unfitted = f"There are no likelihood ratios and no decisions, since the scores could not be calibrated. {error}"
        decisions, warnings = Decisions(None, None), [unfitted]
    else:
        warnings = [*_smaller_models(given), *_decided_one_way(calibration, decisions.operating_point)]
    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    return decisions, warnings


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
    embed: Callable[..., pa.Table],
    run_dir: str,
) -> None:
    used = _used(given, index)["utt_id"].combine_chunks()
    own, crops = embed(used), crops_of(cfg)
    if crops is not None:
        cropped = embed(used, crops=crops)
        own = pa.concat_tables([own, cropped.set_column(0, "utt_id", named(cropped["utt_id"])).cast(own.schema)])
        known = index.take(gather(used, index["utt_id"]))
        index, given = pa.concat_tables([known, crops.rows(known)]), with_crops(given)
    assert given.trials is not None
    sides, numbers = gather_sides(cfg, given.models, own, index, backend, calibration, run_dir)
    enroll, test = numbers(given.trials["enroll"]), gather(given.trials["test"], own["utt_id"])
    scores, features = score_pairs(backend, sides, enroll, test)
    target = given.trials["target"].to_numpy(zero_copy_only=False).astype(bool)
    speaker = sides.speakers.dictionary_encode().indices.to_numpy()
    speakers = np.column_stack([speaker[sides.first_rows(enroll)], speaker[test]])
    calibration.fit(scores.get("score_norm", scores["score"]), features, target, speakers)


def _decided_one_way(calibration: Calibration, point: OperatingPoint | None) -> Iterator[str]:
    facts = calibration.facts()
    if point is None or not beyond_cap(facts, [point.threshold]):
        return
    yield (
        f"All trials are {'rejected' if point.threshold > 0.0 else 'accepted'}: the operating point's threshold, "
        f"{point.threshold:.2f}, is beyond all log-likelihood ratios, which are {capped_at(facts)}: a calibration on "
        f"{fitted_on(facts)} bears out no stronger ones. Hold out more speakers, or give calibration.trials."
    )


def _smaller_models(given: CalibrationTrials) -> Iterator[str]:
    if given.models is None or given.size is None:
        return
    mean = len(given.models) / len(given.models["enroll_model"].unique())
    if mean < given.size - 0.5:
        yield (
            f"Likelihood ratios may be off: calibration speakers were enrolled with {mean:.1f} utterances on average, "
            f"for want of more, but tested ones mostly with {given.size}."
        )
