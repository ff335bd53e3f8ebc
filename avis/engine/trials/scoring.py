"""Score pairs of utterances by the million, in parts, on a pool of actors."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis import location, store
from avis.digest import array_digest, fingerprint, table_digest
from avis.engine.trials.transform import spans, state_digest
from avis.engine.trials.vectors import TrialVectors
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.evaluation.score_table import ORIGIN, TRIALS_PER_PART
from avis.metrics.operating_point import OperatingPoint
from avis.schema import SCORES
from avis.scoring.backend import Backend, scores_of
from avis.scoring.calibration import Calibration, quality_features


def score_pairs(
    backend: Backend, vectors: TrialVectors, enroll: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Score trials of rows of ``vectors``.

    Parameters
    ----------
    backend : Backend
        Fitted.
    vectors : TrialVectors
    enroll, test : int64 [trials]
        Enrolments and rows.

    Returns
    -------
    scores : dict of str to float32 [trials]
        ``score`` and, with score normalisation, ``score_norm``.
    features : float32 [trials, 2 * measures]
        For calibration; see `avis.scoring.calibration.quality_features`.
    """
    scores: dict[str, list[NDArray[np.float32]]] = {}
    features = []
    for left, right, begins in vectors.chunks(enroll, test):
        made: dict[str, NDArray[np.floating]] = dict(scores_of(backend, vectors.vectors[left], vectors.vectors[right]))
        made["features"] = quality_features(vectors.measures[left], vectors.measures[right])
        if begins is not None:
            counts = np.diff(np.append(begins, len(left)))
            made = {k: (np.add.reduceat(v, begins, axis=0).T / counts).T.astype(np.float32) for k, v in made.items()}
        features.append(made.pop("features"))
        for name, values in made.items():
            scores.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in scores.items()}, np.concatenate(features)


@dataclass(frozen=True)
class Scorer:
    """Everything that turns a trial into a row of the scores table."""

    backend: Backend
    calibration: Calibration | None
    operating_point: OperatingPoint | None

    def columns(self, vectors: TrialVectors, enroll: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, pa.Array]:
        """Return the columns of `avis.schema.SCORES` that follow the trials' own, for trials of rows of ``vectors``."""
        scores, features = score_pairs(self.backend, vectors, enroll, test)
        made: dict[str, Any] = dict(scores)
        if self.calibration is not None:
            made["llr_uncapped"] = self.calibration.uncapped_llr(scores.get("score_norm", scores["score"]), features)
            made["llr"] = self.calibration.cap(made["llr_uncapped"])
        if self.operating_point is not None:
            made["accept"] = self.operating_point.accept(made["llr"])
            made["expected_cost"] = self.operating_point.expected_cost(made["llr"])
        conditions = {
            "enroll_speaker": vectors.speakers.take(pa.array(vectors.first_rows(enroll))),
            "test_speaker": vectors.speakers.take(pa.array(test)),
            "duration": vectors.durations(enroll, test),
        }
        return conditions | {name: pa.array(values) for name, values in made.items()}

    def digest(self) -> list[Any]:
        """Return what tells this scorer's scores from another's."""
        calibration = state_digest(self.calibration) if self.calibration is not None else None
        point = vars(self.operating_point) if self.operating_point is not None else None
        return [state_digest(self.backend), calibration, point]


class PairScorer:
    """Score one part of a trial list; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, scorer: Scorer, shared: Callable[[], tuple[pa.Table, TrialVectors]]) -> None:
        self.scorer = scorer
        self.trials, self.vectors = shared()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the trials from ``start`` to ``stop`` with their scores."""
        start, stop = task["start"][0].as_py(), task["stop"][0].as_py()
        trials = self.trials.slice(start, stop - start)
        enroll, test = (trials[side].to_numpy().astype(np.int64) for side in ("enroll_row", "test_row"))
        trials = trials.drop_columns(["enroll_row", "test_row"])
        for name, column in self.scorer.columns(self.vectors, enroll, test).items():
            trials = trials.append_column(SCORES.field(name), column)
        return {"scores": trials}


def score_list(
    name: str,
    trials: pa.Table,
    *,
    facts: dict[str, Any],
    vectors: TrialVectors,
    scorer: Scorer,
    run_dir: str,
    compute: Compute,
) -> str:
    """Score one trial list, or find it scored, and return its scores table.

    Parameters
    ----------
    name : str
    trials : pyarrow.Table
        Columns of `avis.schema.TRIALS`, then conditions.
    facts : dict
        About the list, for the manifest; what is under `ORIGIN` does not distinguish scores.
    """
    arrays = [vectors.vectors, vectors.measures, vectors.speech_s, *(vectors.members or ())]
    telling = {key: value for key, value in facts.items() if key != ORIGIN}
    inputs = fingerprint([table_digest(trials), telling, *map(array_digest, arrays), *scorer.digest()])
    uri = location.join(run_dir, "scores", f"{name}-{inputs}")
    if store.finished(uri, inputs):
        return uri
    rows = {"enroll_row": vectors.enrolment_numbers(trials["enroll"]), "test_row": vectors.test_rows(trials["test"])}
    for column, numbers in rows.items():
        trials = trials.append_column(column, pa.array(numbers.astype(np.int32)))
    tasks = spans(len(trials), TRIALS_PER_PART)
    make = functools.partial(PairScorer, scorer, shared_by_workers((trials, vectors), compute))
    run_parts(uri, tasks, make, compute=compute, label=f"score {name}")
    manifest = store.finish(uri, parts=tasks, inputs=inputs, facts={"trials": name, **facts})
    assert manifest["rows"]["scores"] == len(trials), f"{manifest['rows']} scores for {len(trials)} trials"
    return uri
