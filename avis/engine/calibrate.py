"""Fit the calibration on speakers who are neither trained on nor tested."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate

from avis import location, store
from avis.engine.embed import checkpoint_digest, embedding_matrix
from avis.engine.kept import fitted_once
from avis.engine.pairs import Sides, score_pairs, state_digest
from avis.scoring.calibration import Calibration, ScoresDoNotRise, log_duration, log_magnitude
from avis.scoring.decision import OperatingPoint
from avis.scoring.pairing import Pairing
from avis.scoring.score_norm import ScoreNorm
from avis.scoring.trial_ids import gather, resolve
from avis.scoring.trials import read_trials

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
        If the list cannot be read, names utterances that the store lacks, or has unknown answers.
    """
    given = cfg.get("calibration")
    if not given:
        return None
    if given["trials"] is None:
        return _validation_pairs(index, given["max_trials"], cfg["seed"])
    path = location.absolute(str(given["trials"]))
    trials, _ = resolve(read_trials(path), index["utt_id"], corpora=sorted(index["corpus"].unique().to_pylist()))
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
        both = sorted(speakers & set(others))
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


def measures_of(
    calibration: Calibration | None, backend: Any, embeddings: np.ndarray, vectors: np.ndarray, speech_s: np.ndarray
) -> np.ndarray:
    """Return the calibration's quality measures, float32 ``[rows, measures]``."""
    measure = {
        "duration": lambda: log_duration(speech_s),
        "magnitude": lambda: log_magnitude(embeddings),
        "cohort_mean": lambda: backend.cohort_mean(vectors),
    }
    columns = [measure[name]() for name in (calibration.measures if calibration else [])]
    return np.column_stack(columns).astype(np.float32) if columns else np.zeros((len(vectors), 0), np.float32)


def speech_seconds(ids: pa.ChunkedArray, index: pa.Table) -> np.ndarray:
    """Return the seconds of speech of utterances, float64 ``[utterances]``: all of an utterance where not measured."""
    rows = index.take(gather(ids, index["utt_id"]))
    whole = pc.divide(pc.cast(rows["num_samples"], pa.float64()), pc.cast(rows["sample_rate"], pa.float64()))
    return pc.coalesce(pc.cast(rows["speech_s"], pa.float64()), whole).to_numpy()


def fitted_decisions(
    cfg: dict[str, Any],
    checkpoint: str,
    decisions: Decisions,
    trials: pa.Table | None,
    index: pa.Table,
    *,
    backend: Any,
    embed: Callable[[pa.Array], pa.Table],
) -> tuple[Decisions, list[str]]:
    """Return the decisions with their calibration fitted, and what is to be warned of.

    Scores that do not rise from non-target to target trials are neither calibrated nor decided on.

    Parameters
    ----------
    trials, index, backend, embed
        See `_fit_calibration`.

    Raises
    ------
    ValueError
        If there is nothing to fit the calibration on and none was kept.
    """
    if decisions.calibration is None:
        return decisions, []
    try:
        _fit_calibration(cfg, checkpoint, decisions.calibration, trials, index, backend=backend, embed=embed)
    except ScoresDoNotRise as error:
        warning = f"There are no likelihood ratios and no decisions, since the scores could not be calibrated. {error}"
        print(f"warning: {warning}", flush=True)
        return Decisions(None, None), [warning]
    return decisions, []


def _fit_calibration(
    cfg: dict[str, Any],
    checkpoint: str,
    calibration: Calibration,
    trials: pa.Table | None,
    index: pa.Table,
    *,
    backend: Any,
    embed: Callable[[pa.Array], pa.Table],
) -> None:
    """Fit the calibration on scored trials, or find it fitted; it is kept beside the checkpoint and reused.

    Parameters
    ----------
    trials : pyarrow.Table or None
        See `calibration_trials`.
    index : pyarrow.Table
        Light columns of the utterances table.
    backend
        Fitted.
    embed : callable
        Returns the embeddings table of some utterances.
    """

    def fit() -> None:
        assert trials is not None
        own = embed(utterances_of(trials))
        vectors = backend.transform(embedding_matrix(own))
        seconds = speech_seconds(own["utt_id"], index)
        measures = measures_of(calibration, backend, embedding_matrix(own), vectors, seconds)
        sides = Sides(vectors, measures, pa.nulls(len(own), pa.string()))
        enroll, test = (gather(trials[side], own["utt_id"]) for side in ("enroll", "test"))
        scores, features = score_pairs(backend, sides, enroll, test)
        target = trials["target"].to_numpy(zero_copy_only=False).astype(bool)
        calibration.fit(scores.get("score_norm", scores["score"]), features, target)

    data = None
    if trials is not None:
        used = index.take(gather(utterances_of(trials), index["utt_id"])).select(["utt_id", "speaker", "sha256"])
        data = store.fingerprint([state_digest(backend), store.table_digest(trials), store.table_digest(used)])
    recipe = store.fingerprint([cfg["scoring"], cfg["calibration"], checkpoint_digest(checkpoint)])
    fitted_once(
        calibration, checkpoint, kind="calibration", recipe=recipe, data=data, fit=fit, needs="validation speakers"
    )
