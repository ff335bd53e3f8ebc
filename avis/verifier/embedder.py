"""A trained model in use: recordings in, embeddings out."""

import hashlib
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from avis.audio.audio_error import AudioError
from avis.audio.codec import pack, to_float
from avis.audio.crop import windows
from avis.audio.recording import Hearing, Recording
from avis.audio.vad import find_speech, trim
from avis.checkpoints.checkpoint import Checkpoint
from avis.scoring.enrolment import model_means
from avis.verifier.side_by_side import side_by_side
from avis.verifier.windows import Windows, check_windows, window_starts

LEAST_SPEECH_S = 0.5
"""Less speech is no voice to judge by."""

UNHEARD = ("silent", "too_short", "no_speech")
"""Reasons not to take a recording in that are no fault of the file: nobody speaks, or hardly."""

Source = str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[Any], int]
"""A path or URI, what a file holds, a file, or samples ``[samples(, channels)]`` and their rate in Hz."""
EXPECTED = "a path, the bytes of a file, a file opened with 'rb', or (samples, rate)"


@dataclass(frozen=True, kw_only=True)
class Voiceprint:
    """What a model makes of a recording.

    Attributes
    ----------
    embedding : float32 [dim] or None
        None where there is too little speech.
    speech_s : float
        Seconds of speech.
    quality : dict
        See `avis.audio.quality.measure`.
    unheard : str or None
        Why there is no embedding.
    model : str
        Digest of the checkpoint that it is of.
    sha256 : str
        Of the samples.
    """

    embedding: NDArray[np.float32] | None
    speech_s: float
    quality: dict[str, float | None]
    unheard: str | None
    model: str
    sha256: str


class Embedder:
    """A model with its ears: what every `avis.verifier.Verifier` is besides its decisions.

    Parameters
    ----------
    checkpoint : Checkpoint
    hearing : Hearing
        How recordings are taken in.
    max_window_s : float
        What is longer is embedded in windows.
    """

    def __init__(self, checkpoint: Checkpoint, hearing: Hearing, *, max_window_s: float) -> None:
        self.digest, self.hearing = checkpoint.digest, hearing
        self.front_end, self.model = checkpoint.build_front_end().eval(), checkpoint.build_model().eval()
        self.dim = int(checkpoint.recipe["model"]["embedding_dim"])
        self.longest = round(max_window_s * hearing.sample_rate)

    def embed(self, source: Source | Voiceprint) -> Voiceprint:
        """Embed a recording.

        Parameters
        ----------
        source : Source
            A path or URI, bytes of a file, a file opened for reading, or ``(samples, rate)``.

        Raises
        ------
        ValueError
            If it cannot be read; one in which nobody speaks is an answer, without embedding.
        """
        if isinstance(source, Voiceprint):
            if source.model != self.digest:
                raise ValueError(
                    f"voiceprint of another model: got one of {source.model[:12]}, expected one of "
                    f"{self.digest[:12]}. At the voiceprint. Embed its recording by this model."
                )
            return source
        recording = self.hear(source)
        if isinstance(recording, Voiceprint):
            return recording
        return self.voiceprint(recording, self.embedding_of(recording.values))

    def hear(self, source: Source) -> Recording | Voiceprint:
        """Take a recording in, and return it, or the voiceprint without embedding where nobody speaks, or hardly."""
        try:
            recording = take(self.hearing, source)
        except AudioError as error:
            return self.unheard(error)
        return self.heard(recording)

    def unheard(self, error: AudioError) -> Voiceprint:
        """Return the voiceprint without embedding of a recording in which nobody speaks; raise any other fault."""
        if error.reason not in UNHEARD:
            raise error
        return Voiceprint(embedding=None, speech_s=0.0, quality={}, unheard=str(error), model=self.digest, sha256="")

    def heard(self, recording: Recording) -> Recording | Voiceprint:
        """Return a recording that was taken in, or its voiceprint without embedding where little of it is speech."""
        speech_s = self._speech_s(recording)
        if speech_s >= LEAST_SPEECH_S:
            return recording
        unheard = f"{speech_s:.1f} s of speech, of which {LEAST_SPEECH_S} s are the least"
        return replace(self.voiceprint(recording, None), unheard=unheard)

    def voiceprint(self, recording: Recording, embedding: NDArray[np.float32] | None) -> Voiceprint:
        """Return what is known of a recording that was taken in, and its embedding ``[dim]``."""
        return Voiceprint(
            embedding=embedding,
            speech_s=self._speech_s(recording),
            quality=recording.quality,
            unheard=None,
            model=self.digest,
            sha256=hashlib.sha256(recording.values.tobytes()).hexdigest(),
        )

    def _speech_s(self, recording: Recording) -> float:
        measured = recording.quality["speech_s"]
        return len(recording.values) / self.hearing.sample_rate if measured is None else measured

    def embed_files(self, paths: Iterable[str]) -> Generator[tuple[str, Voiceprint | Exception], None, None]:
        """Embed files side by side, and yield them in the order given; what cannot be read comes with its error.

        Each embedding is that of `embed`, but for rounding. Some files are read ahead, as many recordings are in
        memory as torch has threads, and closing the generator ends these.
        """
        return side_by_side(self._tried, paths)

    def windows(self, source: Source, *, length_s: float = 3.0, hop_s: float = 1.5) -> Windows:
        """Embed a recording window by window, so that it can be told who speaks when.

        Where the model hears recordings trimmed, each window is trimmed as they are; its times stay those of the
        recording as it was given. Windows with less than `LEAST_SPEECH_S` of speech are left out.

        Parameters
        ----------
        source : Source
            See `embed`.
        length_s, hop_s : float
            Seconds of a window, and between the beginnings of two; the last window ends with the recording. A shorter
            recording is one window.

        Returns
        -------
        Windows
            None where nobody speaks.

        Raises
        ------
        ValueError
            If the recording cannot be read, or ``length_s`` or ``hop_s`` is out of range.
        """
        check_windows(length_s, hop_s, least_s=LEAST_SPEECH_S)
        rate = self.hearing.sample_rate
        try:
            values = self.as_given(source)
        except AudioError as error:
            if error.reason not in UNHEARD:
                raise
            values = np.zeros(1, np.int16)
        speech = find_speech(to_float(values), sample_rate=rate, vad=self.hearing.vad)
        length, hop = round(length_s * rate), max(1, round(hop_s * rate))
        kept, of_windows = [], []
        for start in window_starts(len(values), length, hop):
            window = values[start : start + length]
            within = np.clip(speech - start, 0, len(window))
            num_speech = int(np.diff(within).sum())
            if num_speech >= LEAST_SPEECH_S * rate:
                heard = within[within[:, 1] > within[:, 0]]
                window = trim(window, heard, sample_rate=rate, keep=self.hearing.trim, where=f"{start / rate:.2f} s")
                kept.append((start, min(start + length, len(values)), num_speech))
                of_windows.append(window)
        start_s, end_s, speech_s = np.array(kept, np.float64).reshape(-1, 3).T / rate
        vectors = np.array(list(side_by_side(self.embedding_of, of_windows)), np.float32).reshape(-1, self.dim)
        return Windows(start_s=start_s, end_s=end_s, speech_s=speech_s, embeddings=vectors)

    def voiceprint_of(self, embeddings: NDArray[np.float32], speech_s: float) -> Voiceprint:
        """Return the voiceprint of several embeddings ``[recordings, dim]`` of one voice: their mean."""
        mean = model_means(embeddings, np.array([0, len(embeddings)]))[0]
        return Voiceprint(embedding=mean, speech_s=speech_s, quality={}, unheard=None, model=self.digest, sha256="")

    def as_given(self, source: Source) -> NDArray[np.int16]:
        """Return a recording ``[samples]`` at the model's rate, as it is heard but not trimmed."""
        return take(replace(self.hearing, vad=None, trim="none"), source).values

    def audio(self, source: Source) -> bytes:
        """Return what `as_given` does as FLAC: what another model may be given instead of the recording."""
        return pack(self.as_given(source), sample_rate=self.hearing.sample_rate, encoding="flac")

    def _tried(self, path: str) -> tuple[str, Voiceprint | Exception]:
        try:
            return path, self.embed(path)
        except (ValueError, OSError) as error:
            return path, error

    @torch.inference_mode()
    def embedding_of(self, values: NDArray[np.int16]) -> NDArray[np.float32]:
        """Embed what was taken in, int16 ``[samples]``: float32 ``[dim]``; what is long is embedded in windows."""
        made = []
        for start, num in windows(len(values), self.longest):
            features = self.front_end(torch.from_numpy(to_float(values[start : start + num])))
            made.append(self.model(features[None])[0].float().numpy())
        return checked_embedding(np.mean(made, axis=0))


def checked_embedding(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an embedding that has a value."""
    if not np.isfinite(embedding).all():
        raise ValueError(
            f"embedding without a value: got {np.count_nonzero(~np.isfinite(embedding))} of {embedding.size} "
            "values that are not finite, expected none. At the model. Train it again, or take another one."
        )
    return embedding


def take(hearing: Hearing, source: Source) -> Recording:
    """Take a recording in, whatever it is given as; see `Embedder.embed`."""
    try:
        if isinstance(source, str | os.PathLike):
            return hearing.take(os.fspath(source))
        if isinstance(source, tuple) and len(source) == 2:
            samples, rate = source
            return hearing.take_samples(_array(samples), rate)
        return hearing.take(bytes(source if isinstance(source, bytes | bytearray) else source.read()))
    except (AttributeError, TypeError, OverflowError, UnicodeDecodeError, RuntimeError) as error:
        raise ValueError(
            f"no recording: got {type(source).__name__} ({error}), expected {EXPECTED}. At the recording that was "
            "given. Give one of these."
        ) from error


def _array(samples: Any) -> NDArray[Any]:
    try:
        return np.asarray(samples)
    except ValueError as error:  # rows of several lengths
        raise TypeError(error) from error
