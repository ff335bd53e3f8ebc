"""Gather the vectors of trials: of utterances, and of enrolment models of several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.engine.trials.transform import transform
from avis.engine.workers.compute import Compute
from avis.schema import DURATION_BANDS, DURATION_EDGES_S
from avis.scoring.backend import Backend
from avis.scoring.calibration import quality_measures
from avis.scoring.enrolment import model_means
from avis.scoring.trial_ids import gather

VALUES_AT_ONCE = 1 << 20
"""Vector values of one utterance of each trial that are gathered together: 4 MB, so that they stay in a core's cache.
For 1 M trials of 5,000 utterances [192] on one core this scored 13 M trials/s; blocks of a matrix product, from which
the trials' scores were then picked, 7 M."""


@dataclass(frozen=True)
class TrialVectors:
    """Vectors of the utterances of trials, and of the enrolment models of several.

    Attributes
    ----------
    vectors : float32 [rows, dim]
        What the back-end made of embeddings.
    measures : float32 [rows, measures]
        Quality measures of the calibration.
    speakers : pyarrow.Array [rows]
    speech_s : float32 [rows]
        Seconds of speech.
    utterances : pyarrow.ChunkedArray
        Ids of the first rows, which are utterances.
    models : pyarrow.Array or None
        Names of the enrolment models; None where an enrolment is an utterance.
    members : (int64 [models + 1], int64 [members]) or None
        Where scores of a model's utterances are averaged: an enrolment is a model's number, whose utterances are the
        rows in the second array from one offset in the first to the next. None where an enrolment is a row.
    """

    vectors: NDArray[np.float32]
    measures: NDArray[np.float32]
    speakers: pa.Array
    speech_s: NDArray[np.float32]
    utterances: pa.ChunkedArray
    models: pa.Array | None = None
    members: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def enrolment_numbers(self, enroll: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the number of each enrolment ``[trials]``: a row, or see ``members``."""
        if self.models is None:
            return gather(enroll, self.utterances)
        first = 0 if self.members is not None else len(self.utterances)
        return first + gather(enroll, self.models)

    def test_rows(self, test: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the row of each test utterance ``[trials]``."""
        return gather(test, self.utterances)

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


@dataclass(frozen=True)
class TrialVectorMaker:
    """Makes the vectors of trials of embeddings.

    Attributes
    ----------
    backend : Backend
        Fitted.
    measures : list of str
        Names of the calibration's quality measures.
    enrolment_mean : {"embeddings", "scores"}
        What is averaged over the utterances of an enrolment model.
    run_dir : str
        Folder below which the vectors of many utterances are written.
    compute : Compute
    """

    backend: Backend
    measures: Sequence[str]
    enrolment_mean: Literal["embeddings", "scores"]
    run_dir: str
    compute: Compute

    def gather(self, embedded: pa.Table, index: pa.Table, models: pa.Table | None) -> TrialVectors:
        """Make the vectors of utterances, and of enrolment models of them.

        Parameters
        ----------
        embedded : pyarrow.Table
            Embeddings of all utterances of the trials.
        index : pyarrow.Table
            See `avis.engine.trials.lists.read_index`.
        models : pyarrow.Table or None
            In schema `avis.schema.ENROLMENTS`, the rows of a model in one place; None where an enrolment is an
            utterance.
        """
        embeddings, seconds = embedding_matrix(embedded), speech_seconds(embedded["utt_id"], index)
        speakers = index["speaker"].take(gather(embedded["utt_id"], index["utt_id"]))
        names = members = None
        if models is not None:
            counts = models["enroll_model"].combine_chunks().value_counts()
            rows = gather(models["utt_id"], embedded["utt_id"])
            offsets = np.concatenate([[0], np.cumsum(counts.field("counts").to_numpy())])
            names = counts.field("values")
            if self.enrolment_mean == "scores":
                members = (offsets, rows)
            else:
                embeddings = np.concatenate([embeddings, model_means(embeddings[rows], offsets)])
                seconds = np.concatenate([seconds, np.add.reduceat(seconds[rows], offsets[:-1])])
                speakers = pa.chunked_array([*speakers.chunks, *speakers.take(rows[offsets[:-1]]).chunks])
        vectors = transform(self.backend, embeddings, self.run_dir, self.compute)
        return TrialVectors(
            vectors,
            quality_measures(self.measures, self.backend, embeddings=embeddings, vectors=vectors, speech_s=seconds),
            speakers.combine_chunks(),
            seconds.astype(np.float32),
            embedded["utt_id"],
            names,
            members,
        )


def speech_seconds(ids: pa.ChunkedArray, index: pa.Table) -> np.ndarray:
    """Return the seconds of speech of utterances, float64 ``[utterances]``: all of an utterance where not measured."""
    rows = index.take(gather(ids, index["utt_id"]))
    whole = pc.divide(pc.cast(rows["num_samples"], pa.float64()), pc.cast(rows["sample_rate"], pa.float64()))
    return pc.coalesce(pc.cast(rows["speech_s"], pa.float64()), whole).to_numpy()


def embedding_matrix(embeddings: pa.Table) -> np.ndarray:
    """Return the vectors of an embeddings table as float32 [utterances, dim]."""
    column = embeddings["embedding"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)
