"""Score pairs of utterances by the million: vectors once per utterance, trials in parts, both on a pool of actors."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis import location, store
from avis.digest import array_digest, fingerprint, table_digest
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.evaluation.score_table import ORIGIN, TRIALS_PER_PART
from avis.schema import DURATION_BANDS, DURATION_EDGES_S, SCORES
from avis.scoring.calibration import Calibration, quality_features
from avis.scoring.decision import OperatingPoint
from avis.scoring.score_norm import ScoreNorm

UTTERANCES_PER_PART = 4096

VALUES_AT_ONCE = 1 << 20
"""Vector values of one side that are gathered together: 4 MB, so that they stay in a core's cache. For 1 M trials of
5,000 utterances [192] on one core this scored 13 M trials/s; blocks of a matrix product, from which the trials' scores
were then picked, 7 M."""


class VectorMaker:
    """Transform one part of the embeddings for scoring; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, backend: Any, embeddings: Callable[[], NDArray[np.float32]]) -> None:
        self.backend, self.embeddings = backend, embeddings()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the vectors of the rows from ``start`` to ``stop``."""
        start, stop = task["start"][0].as_py(), task["stop"][0].as_py()
        vectors = self.backend.transform(self.embeddings[start:stop])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return {"vectors": pa.table({"vector": column})}


def transform(backend: Any, embeddings: NDArray[np.float32], run_dir: str, compute: Compute) -> NDArray[np.float32]:
    """Transform embeddings ``[utterances, dim]`` for scoring, on all workers where there are many."""
    tasks = _spans(len(embeddings), UTTERANCES_PER_PART)
    if len(tasks) < 2:
        return np.asarray(backend.transform(embeddings))
    inputs = fingerprint([state_digest(backend), array_digest(embeddings)])
    uri = location.join(run_dir, "vectors", inputs)
    if not store.finished(uri, inputs):
        make = functools.partial(VectorMaker, backend, shared_by_workers(embeddings, compute))
        run_parts(uri, tasks, make, compute=compute, label="transform embeddings")
        store.finish(uri, parts=tasks, inputs=inputs, facts={})
    column = store.read_table(uri, "vectors")["vector"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def _spans(num: int, per_part: int) -> dict[str, pa.Table]:
    starts = range(0, num, per_part)
    return {
        f"part-{number:05d}": pa.table({"start": [start], "stop": [min(start + per_part, num)]})
        for number, start in enumerate(starts)
    }


@dataclass(frozen=True)
class Sides:
    """What can stand on a side of a trial: utterances, and enrolment models of several.

    Attributes
    ----------
    vectors : float32 [rows, dim]
        Of the back-end.
    measures : float32 [rows, measures]
        Quality measures of the calibration.
    speakers : pyarrow.Array [rows]
    speech_s : float32 [rows]
        Seconds of speech.
    members : (int64 [models + 1], int64 [members]) or None
        Where scores of a model's utterances are averaged: an enrolment is a model's number, whose utterances are the
        rows in the second array from one offset in the first to the next. None where an enrolment is a row.
    """

    vectors: NDArray[np.float32]
    measures: NDArray[np.float32]
    speakers: pa.Array
    speech_s: NDArray[np.float32]
    members: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def first_rows(self, enroll: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the (first) row of each enrolment ``[trials]``."""
        return enroll if self.members is None else self.members[1][self.members[0][enroll]]

    def durations(self, enroll: NDArray[np.int64], test: NDArray[np.int64]) -> pa.Array:
        """Return the band of `avis.schema.DURATION_BANDS` in which the shorter side of each trial is ``[trials]``."""
        enrolled_s = self.speech_s
        if self.members is not None:
            offsets, rows = self.members
            enrolled_s = np.add.reduceat(self.speech_s[rows], offsets[:-1])
        shorter_s = np.minimum(enrolled_s[enroll], self.speech_s[test])
        return pa.array(DURATION_BANDS).take(pa.array(np.searchsorted(DURATION_EDGES_S, shorter_s, side="right")))

    def chunks(
        self, enroll: NDArray[np.int64], test: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]]:
        """Cut trials ``[trials]`` into pairs of rows, and say where in each chunk a trial's pairs begin."""
        size = max(64, VALUES_AT_ONCE // self.vectors.shape[1])
        for start in range(0, len(enroll), size):
            models, tests = enroll[start : start + size], test[start : start + size]
            if self.members is None:
                yield models, tests, None
                continue
            offsets, rows = self.members
            counts = offsets[models + 1] - offsets[models]
            begins = np.cumsum(counts) - counts
            within = np.arange(counts.sum()) - np.repeat(begins, counts)
            yield rows[np.repeat(offsets[models], counts) + within], np.repeat(tests, counts), begins


def score_pairs(
    backend: Any, sides: Sides, enroll: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Score trials of rows of ``sides``.

    Parameters
    ----------
    backend
        Of `avis.scoring`, fitted.
    sides : Sides
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
    for left, right, begins in sides.chunks(enroll, test):
        made = _score_rows(backend, sides.vectors[left], sides.vectors[right])
        made["features"] = quality_features(sides.measures[left], sides.measures[right])
        if begins is not None:
            counts = np.diff(np.append(begins, len(left)))
            made = {k: (np.add.reduceat(v, begins, axis=0).T / counts).T.astype(np.float32) for k, v in made.items()}
        features.append(made.pop("features"))
        for name, values in made.items():
            scores.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in scores.items()}, np.concatenate(features)


def _score_rows(
    backend: Any, enroll: NDArray[np.float32], test: NDArray[np.float32]
) -> dict[str, NDArray[np.floating]]:
    if not isinstance(backend, ScoreNorm):
        return {"score": backend.score(enroll, test)}
    raw = backend.raw_score(enroll, test)
    return {"score": raw, "score_norm": backend.normalize(raw, enroll, test)}


@dataclass(frozen=True)
class Scorer:
    """Everything that turns a trial into a row of the scores table."""

    backend: Any
    calibration: Calibration | None
    operating_point: OperatingPoint | None

    def columns(self, sides: Sides, enroll: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, pa.Array]:
        """Return the columns of `avis.schema.SCORES` that follow the trials' own, for trials of rows of ``sides``."""
        scores, features = score_pairs(self.backend, sides, enroll, test)
        made: dict[str, Any] = dict(scores)
        if self.calibration is not None:
            made["llr_uncapped"] = self.calibration.uncapped_llr(scores.get("score_norm", scores["score"]), features)
            made["llr"] = self.calibration.cap(made["llr_uncapped"])
        if self.operating_point is not None:
            made["accept"] = self.operating_point.accept(made["llr"])
            made["expected_cost"] = self.operating_point.expected_cost(made["llr"])
        known = {
            "enroll_speaker": sides.speakers.take(pa.array(sides.first_rows(enroll))),
            "test_speaker": sides.speakers.take(pa.array(test)),
            "duration": sides.durations(enroll, test),
        }
        return known | {name: pa.array(values) for name, values in made.items()}

    def digest(self) -> list[Any]:
        """Return what tells this scorer's scores from another's."""
        calibration = state_digest(self.calibration) if self.calibration is not None else None
        point = vars(self.operating_point) if self.operating_point is not None else None
        return [state_digest(self.backend), calibration, point]


class PairScorer:
    """Score one part of a trial list; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, scorer: Scorer, shared: Callable[[], tuple[pa.Table, Sides]]) -> None:
        self.scorer = scorer
        self.trials, self.sides = shared()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the trials from ``start`` to ``stop`` with their scores."""
        start, stop = task["start"][0].as_py(), task["stop"][0].as_py()
        trials = self.trials.slice(start, stop - start)
        enroll, test = (trials[side].to_numpy().astype(np.int64) for side in ("enroll_row", "test_row"))
        trials = trials.drop_columns(["enroll_row", "test_row"])
        for name, column in self.scorer.columns(self.sides, enroll, test).items():
            trials = trials.append_column(SCORES.field(name), column)
        return {"scores": trials}


def score_list(
    name: str,
    trials: pa.Table,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    facts: dict[str, Any],
    sides: Sides,
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
    rows : (int64 [trials], int64 [trials])
        Enrolment and row of ``sides`` of each trial.
    facts : dict
        About the list, for the manifest; what is under `ORIGIN` tells no scores from others.
    """
    arrays = [sides.vectors, sides.measures, sides.speech_s, *(sides.members or ())]
    telling = {key: value for key, value in facts.items() if key != ORIGIN}
    inputs = fingerprint([table_digest(trials), telling, *map(array_digest, arrays), *scorer.digest()])
    uri = location.join(run_dir, "scores", f"{name}-{inputs}")
    if store.finished(uri, inputs):
        return uri
    for side, numbers in zip(("enroll_row", "test_row"), rows, strict=True):
        trials = trials.append_column(side, pa.array(numbers.astype(np.int32)))
    tasks = _spans(len(trials), TRIALS_PER_PART)
    make = functools.partial(PairScorer, scorer, shared_by_workers((trials, sides), compute))
    run_parts(uri, tasks, make, compute=compute, label=f"score {name}")
    manifest = store.finish(uri, parts=tasks, inputs=inputs, facts={"trials": name, **facts})
    assert manifest["rows"]["scores"] == len(trials), f"{manifest['rows']} scores for {len(trials)} trials"
    return uri


def state_digest(fitted: Any) -> dict[str, str]:
    """Return the SHA-256 of each array that a back-end or a calibration has learnt."""
    return {key: array_digest(value) for key, value in fitted.state().items()}
