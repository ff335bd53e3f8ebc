"""Hold the recordings that augmentation mixes in: many of them in one block of memory that workers can share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from avis import location, store
from avis.audio.codec import read_crop
from avis.audio.decode import decode
from avis.audio.listing import list_audio
from avis.audio.room_responses import KINDS, Kind, list_kind

INT16_PEAK = 32767
Recordings = Iterator[tuple[str, NDArray[np.float32]]]
"""With the name of each."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Recordings back to back, each scaled so that its peak is full scale.

    Whoever uses a bank sets the level, so the recordings' own levels are not kept. Two plain arrays: pickled
    out of band (Ray's object store, shared memory) they are read in place, not copied.

    Parameters
    ----------
    samples : array
        int16 ``[total]``: all recordings.
    offsets : int64 array
        int64 ``[recordings + 1]``: recording ``i`` is ``samples[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> bank = Bank.from_recordings([np.array([0.25, -0.5], np.float32), np.ones(3, np.float32)])
    >>> len(bank), bank[0]
    (2, array([ 16384, -32767], dtype=int16))
    """

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        assert self.samples.dtype == np.int16, f"samples are {self.samples.dtype}, not int16"
        ends = (int(self.offsets[0]), int(self.offsets[-1]))
        assert ends == (0, len(self.samples)), f"offsets span {ends}, not {len(self.samples)} samples"
        assert len(self) > 0, "a bank holds recordings"
        assert (np.diff(self.offsets) > 0).all(), "no recording of a bank is empty"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        if not 0 <= index < len(self):
            raise IndexError(f"a bank of {len(self)} recordings has no recording {index}")
        return self.samples[self.offsets[index] : self.offsets[index + 1]]

    @classmethod
    def from_recordings(cls, recordings: Iterable[NDArray[np.float32]]) -> "Bank":
        """Return a bank of float32 recordings ``[samples]``.

        Raises
        ------
        ValueError
            When there are none, or one is empty, silent or not finite.
        """
        quantised = [_quantise(recording, f"recording {i}") for i, recording in enumerate(recordings)]
        return cls._pack(quantised, where="Bank.from_recordings")

    @classmethod
    def _pack(cls, recordings: list[NDArray[np.int16]], *, where: str) -> "Bank":
        if not recordings:
            raise ValueError(
                f"A bank must hold recordings: got num_recordings=0, expected at least 1. At {where}. "
                "Correct what it is made of."
            )
        offsets = np.cumsum([0, *map(len, recordings)], dtype=np.int64)
        return cls(samples=np.concatenate(recordings), offsets=offsets)

    def draw(self, rng: np.random.Generator, num_samples: int) -> tuple[int, int]:
        """Draw a recording and where in it ``num_samples`` begin, anywhere if it is shorter: see `stretch`."""
        recording = int(rng.integers(len(self)))
        length = len(self[recording])
        return recording, int(rng.integers(length - num_samples + 1 if length >= num_samples else length))

    def stretch(self, recording: int, start: int, num_samples: int) -> NDArray[np.float32]:
        """Return ``num_samples`` of a recording from ``start`` on, float32; where it ends, it begins again."""
        samples = self[recording]
        if start + num_samples > len(samples):
            samples, start = np.resize(np.roll(samples, -start), num_samples), 0
        return samples[start : start + num_samples].astype(np.float32) * np.float32(1 / INT16_PEAK)


def load_bank(root: str, *, sample_rate: int, max_duration_s: float, kind: Kind | None = None) -> Bank:
    """Return a bank of every utterance of a store, in its order, or every audio file below a folder, by path.

    A store is decoded and checked once, by `pipelines/prepare.py`, and lies where every node can read it. Of a file
    with several channels the first is taken, as Kaldi and 3D-Speaker do: microphones of an array hear a sound at
    different times, so that their mean is a comb filter.

    Parameters
    ----------
    root : str
        Utterances store, or a folder, listed with its subfolders by `avis.audio.listing.list_audio`; path or URI.
    sample_rate : int
        Of the bank, in Hz: every recording of another rate is resampled to it.
    max_duration_s : float
        Each recording is cut after this.
    kind : Kind or None
        Which to take of a collection of room responses and noises, such as RIRS_NOISES: see
        `avis.audio.room_responses.list_kind`. Of a store, utterances whose attribute ``kind`` is the other are left
        out. None takes all.

    Raises
    ------
    ValueError
        When there is no audio (of this kind) below ``root``, a recording is silent, or the store is unfinished or
        corrupt.
    avis.audio.audio_error.AudioError
        When a file cannot be decoded.
    """
    if is_store(root):
        recordings = _store_recordings(root, sample_rate, max_duration_s, kind)
    else:
        recordings = _folder_recordings(root, sample_rate, max_duration_s, kind)
    return Bank._pack([_quantise(each, where) for where, each in recordings], where=f"{root} (kind={kind})")


def is_store(root: str) -> bool:
    """Return whether a folder is a finished utterances store."""
    return all(location.exists(location.join(root, name)) for name in (store.MANIFEST, "utterances"))


def _store_recordings(root: str, sample_rate: int, max_duration_s: float, kind: Kind | None) -> Recordings:
    others = set(KINDS) - {kind} if kind else set()
    for uri in store.part_uris(root, "utterances"):
        part = store.open_part(uri)
        for group in range(part.num_row_groups):
            columns = ["utt_id", "audio", "num_samples", "sample_rate", "attributes"]
            for row in store.read_row_group(part, uri, group, columns).to_pylist():
                if dict(row["attributes"]).get("kind") in others:
                    continue
                num_samples = min(row["num_samples"], max(1, round(max_duration_s * row["sample_rate"])))
                waveform = read_crop(row["audio"], start=0, num=num_samples)
                if row["sample_rate"] != sample_rate:
                    waveform = soxr.resample(waveform, row["sample_rate"], sample_rate, quality="HQ")
                yield row["utt_id"], waveform


def _folder_recordings(root: str, sample_rate: int, max_duration_s: float, kind: Kind | None) -> Recordings:
    for file in list_kind(root, kind) if kind else list_audio(root):
        waveform = decode(file.path, sample_rate=sample_rate, min_duration_s=0.0, channel="first")
        yield file.path, waveform[: max(1, round(max_duration_s * sample_rate))]


def _quantise(recording: NDArray[np.float32], where: str) -> NDArray[np.int16]:
    peak = float(np.max(np.abs(recording), initial=0.0))
    if not 0 < peak < np.inf:
        raise ValueError(
            f"A recording of a bank must be finite and not silent: got peak={peak} with {len(recording)} samples, "
            f"expected a peak above 0. At {where}. Leave this recording out."
        )
    return np.round(recording * (INT16_PEAK / peak)).astype(np.int16)
