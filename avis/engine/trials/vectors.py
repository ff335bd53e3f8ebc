"""Gather what can stand on a side of a trial: utterances, and enrolment models of several."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate
from numpy.typing import NDArray

from avis.engine.trials.embeddings import embedding_matrix
from avis.engine.trials.scoring import Sides, transform
from avis.scoring.calibration import Calibration, log_duration, log_magnitude
from avis.scoring.trial_ids import gather

ENROLMENT_MEANS = ("embeddings", "scores")


def gather_sides(
    cfg: dict[str, Any],
    models: pa.Table | None,
    embedded: pa.Table,
    index: pa.Table,
    backend: Any,
    calibration: Calibration | None,
    run_dir: str,
) -> tuple[Sides, Callable[[pa.ChunkedArray], NDArray[np.int64]]]:
    """Gather what can stand on a side of a trial, and return what numbers enrolments.

    Parameters
    ----------
    models : pyarrow.Table or None
        In schema `avis.schema.ENROLMENTS`, the rows of a model in one place; None where an enrolment is an utterance.
    embedded : pyarrow.Table
        Embeddings of all utterances on either side.
    index : pyarrow.Table
        See `avis.engine.trials.lists.read_index`.
    """
    embeddings, seconds = embedding_matrix(embedded), speech_seconds(embedded["utt_id"], index)
    speakers = index["speaker"].take(gather(embedded["utt_id"], index["utt_id"]))
    ids, first, members = embedded["utt_id"], 0, None
    if models is not None:
        names = models["enroll_model"].combine_chunks().value_counts()
        rows = gather(models["utt_id"], embedded["utt_id"])
        offsets = np.concatenate([[0], np.cumsum(names.field("counts").to_numpy())])
        ids = names.field("values")
        if enrolment_mean(cfg) == "scores":
            members = (offsets, rows)
        else:
            embeddings = np.concatenate([embeddings, _means(embeddings[rows], offsets)])
            seconds = np.concatenate([seconds, np.add.reduceat(seconds[rows], offsets[:-1])])
            speakers = pa.chunked_array([*speakers.chunks, *speakers.take(rows[offsets[:-1]]).chunks])
            first = len(embedded)
    vectors = transform(backend, embeddings, run_dir, instantiate(cfg["compute"]))
    measures = measures_of(calibration, backend, embeddings, vectors, seconds)
    sides = Sides(vectors, measures, speakers.combine_chunks(), seconds.astype(np.float32), members)
    return sides, lambda enroll: first + gather(enroll, ids)


def _means(vectors: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of the rows from each offset to the next."""
    return (np.add.reduceat(vectors, offsets[:-1], axis=0) / np.diff(offsets)[:, None]).astype(np.float32)


def enrolment_mean(cfg: Mapping[str, Any]) -> str:
    """Return what is averaged over the utterances of an enrolment model: their embeddings, or their scores.

    Raises
    ------
    ValueError
        If it is neither.
    """
    mean = cfg.get("enrolment_mean") or ENROLMENT_MEANS[0]
    if mean not in ENROLMENT_MEANS:
        raise ValueError(
            f"unknown mean: got enrolment_mean={mean}, expected one of {', '.join(ENROLMENT_MEANS)}. "
            "At enrolment_mean. Correct it."
        )
    return str(mean)


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
