"""The columns of an utterances store, all but the audio, as arrays that statistics are made of."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.names import fold

INSPECTED = [
    *("utt_id", "speaker", "session", "corpus", "split", "num_samples", "sample_rate", "sha256"),
    *("speech_s", "snr_db", "clip_ratio", "rms_dbfs", "dc_offset", "bandwidth_hz"),
]
"""Columns of `avis.schema.UTTERANCES` that are read."""

QUALITY = ("rms_dbfs", "dc_offset", "snr_db", "clip_ratio", "bandwidth_hz")
"""Columns of `INSPECTED` that are measures as they are."""

SPLITS = ("train", "validation", "test")

UNKNOWN = -1
"""In place of the code of a speaker or a session that nobody knows, which is nobody's and none."""


class Coded(NamedTuple):
    """A column of names as integers: ``names[codes]`` is the column.

    Attributes
    ----------
    codes : int64 [utterances]
        Place of each utterance's value in ``names``; `UNKNOWN` where nobody knows it.
    names : pyarrow.Array [names]
        Distinct values, in the order in which they appear. Of those that `avis.names.fold` makes one, the first.
    """

    codes: NDArray[np.int64]
    names: pa.Array

    def counts(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice = slice(None)) -> NDArray[np.int64]:
        """Return how many of these rows have each name, ``[names]``."""
        codes = self.codes[rows]
        return np.bincount(codes[codes != UNKNOWN], minlength=len(self.names))

    def name(self, code: int | np.integer) -> str:
        """Return the name behind a code."""
        return str(self.names[int(code)].as_py())


class StoreColumns(NamedTuple):
    """What is known of all utterances of a store, an entry each.

    Attributes
    ----------
    utt_id : pyarrow.ChunkedArray [utterances]
        Ids of the utterances.
    speaker, session, corpus, split, audio : Coded
        Names; ``audio`` is the SHA-256 of the samples: the same for the same samples, and only then.
    measures : dict of str to float64 [utterances]
        Values by name, NaN where they are not known: `QUALITY`, ``duration_s``, and ``silence_share``, the part of the
        duration that is no speech.
    """

    utt_id: pa.ChunkedArray
    speaker: Coded
    session: Coded
    corpus: Coded
    split: Coded
    audio: Coded
    measures: dict[str, NDArray[np.float64]]

    @classmethod
    def from_table(cls, utterances: pa.Table) -> "StoreColumns":
        """Take the columns `INSPECTED` of an utterances table.

        >>> row = dict.fromkeys(INSPECTED, ["a"]) | dict.fromkeys(QUALITY, pa.array([None], pa.float32()))
        >>> row |= {"num_samples": [32000], "sample_rate": [16000], "speech_s": pa.array([0.5], pa.float32())}
        >>> measures = StoreColumns.from_table(pa.table(row)).measures
        >>> [(name, measures[name].tolist()) for name in ("duration_s", "silence_share", "snr_db")]
        [('duration_s', [2.0]), ('silence_share', [0.75]), ('snr_db', [nan])]
        """
        duration_s = _numbers(utterances["num_samples"]) / _numbers(utterances["sample_rate"])
        measures = {
            "duration_s": duration_s,
            **{name: _numbers(utterances[name]) for name in QUALITY},
            "silence_share": np.maximum(1.0 - _numbers(utterances["speech_s"]) / duration_s, 0.0),
        }
        speaker, session, corpus, split, audio = (
            _coded(utterances[name]) for name in ("speaker", "session", "corpus", "split", "sha256")
        )
        return cls(utterances["utt_id"], _one_per_person(speaker), session, corpus, split, audio, measures)

    def in_split(self, name: str) -> NDArray[np.bool_]:
        """Return which utterances are of a split, ``[utterances]``."""
        return self.split.codes == self.split.names.index(name).as_py()

    def splits(self) -> list[str]:
        """Return the splits there are, those of `SPLITS` first."""
        present = self.split.names.to_pylist()
        return [*(name for name in SPLITS if name in present), *sorted(set(present) - set(SPLITS))]


def _coded(column: pa.ChunkedArray) -> Coded:
    known = pc.if_else(pc.equal(column, ""), None, column)
    encoded = known.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return Coded(np.asarray(encoded.indices.fill_null(UNKNOWN)).astype(np.int64), encoded.dictionary)


def _one_per_person(speaker: Coded) -> Coded:
    """Give speakers one code whose names differ in form, blanks or letter case alone."""
    codes: dict[str, int] = {}
    person = np.array([codes.setdefault(fold(name), len(codes)) for name in speaker.names.to_pylist()], np.int64)
    _, first = np.unique(person, return_index=True)
    of_rows = np.append(person, UNKNOWN)[speaker.codes]  # the last for unknown ones
    return Coded(of_rows, speaker.names.take(pa.array(first)))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = column.cast(pa.float64()).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)
