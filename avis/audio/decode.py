"""Turn an audio file into samples, or say exactly why that cannot be done."""

import io

import numpy as np
import pyarrow as pa
import soundfile as sf
import soxr

from avis.audio.promise import end_is_missing, promised_frames
from avis.location import read_bytes
from avis.schema import REJECT_REASONS

SILENCE_PEAK_DBFS = -80.0
"""Half the peak-to-peak range below which a recording is silent: about 3 steps of 16 bit.

Half the range equals the peak where there is no DC offset, and sees through the offset of a dead microphone.
"""

MIN_SOURCE_RATE_HZ = 1000
"""A lower sample rate in a header is taken for damage: resampling from 1 Hz would multiply the samples by thousands."""

BLOCK_VALUES = 1 << 18
"""Values (frames times channels) decoded at a time, so that memory follows the audio and not the header's promise."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
UNREAD_SUFFIXES = (".m4a", ".aac", ".wma", ".amr", ".sph")
"""Audio that libsndfile does not read: listed all the same, so that it is named among the rejects."""


class AudioError(ValueError):
    """A recording that cannot be used.

    Attributes
    ----------
    reason
        One of `avis.schema.REJECT_REASONS`.
    detail
        What was found, expected and where.
    """

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REJECT_REASONS, f"reason {reason!r} is not one of {REJECT_REASONS}"
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def decode(path: str, *, sample_rate: int, min_duration_s: float) -> np.ndarray:
    """Decode a recording to mono at one sample rate.

    Channels are averaged, then soxr (HQ) resamples. Levels and any DC offset stay as they are. The result is a pure
    function of the file's bytes.

    Parameters
    ----------
    path
        Local path, or a URI that `pyarrow.fs.FileSystem.from_uri` knows. Any format of libsndfile.
    sample_rate
        Of the result, in Hz.
    min_duration_s
        Shortest recording that is of use, in seconds.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``. Within [-1, 1] except where a float file or the resampler's overshoot goes beyond.

    Raises
    ------
    AudioError
        In this order: ``unreadable`` (missing, not permitted, not audio, absurd sample rate), ``empty`` (no bytes or
        no frames), ``truncated`` (the file ends before what its container promises, or the decoder stops in the
        middle), ``non_finite`` (NaN or infinity in a float file), ``silent``, ``too_short``.

    Notes
    -----
    What counts as truncated, by container:

    - FLAC and Ogg (Vorbis, Opus): every cut, and damage in the middle. A FLAC stream that does not state its length
      (written to a pipe) is reported too: libsndfile cannot decode its last block.
    - WAV: every cut. Unknown lengths (0x7FFFF000 and above, as written to a pipe) are accepted, and so are RF64
      and W64 files; libsndfile shortens these without a word.
    - MP3 with a Xing or Info header: where more than two MPEG frames are missing.
    - MP3 without that header: a cut inside an MPEG frame; a cut between two leaves a valid shorter file. Where the bit
      rate varies as well, libsndfile cannot decode all of it, and the whole file is reported: write it again.
    - MP3, either way: damage in the middle is only seen by the frames it costs.
    """
    data = _read(path)
    if not data:
        raise AudioError("empty", f"no bytes: got size=0 bytes, expected an audio file. At {path}. Fetch it again.")
    samples, source_rate = _decode_all(data, path)
    _check_samples(samples, path)
    duration_s = len(samples) / source_rate
    if duration_s < min_duration_s:
        raise AudioError(
            "too_short",
            f"recording too short: got duration_s={duration_s:.3f} s, expected at least {min_duration_s} s. At {path}. "
            "Lower the minimum duration or leave the file out.",
        )
    if source_rate != sample_rate:
        samples = soxr.resample(samples, source_rate, sample_rate, quality="HQ")
    return samples


def _read(path: str) -> bytes:
    try:
        return read_bytes(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise AudioError(
            "unreadable", f"cannot read file: got {error}, expected a readable file. At {path}. Check path and rights."
        ) from error


def _decode_all(data: bytes, path: str) -> tuple[np.ndarray, int]:
    """Return mono float32 ``[samples]`` at the file's own rate, and that rate in Hz."""
    try:
        file = sf.SoundFile(io.BytesIO(data))
    except sf.LibsndfileError as error:
        raise AudioError(
            "unreadable",
            f"not audio: got {error.error_string} expected a format of libsndfile. At {path}. Convert or remove it.",
        ) from error
    with file:
        if file.samplerate < MIN_SOURCE_RATE_HZ:
            raise AudioError(
                "unreadable",
                f"absurd sample rate: got sample_rate={file.samplerate} Hz, expected at least {MIN_SOURCE_RATE_HZ} Hz. "
                f"At {path}. The header is damaged: fetch it again.",
            )
        samples = _read_blocks(file, path)
        promised = promised_frames(data, file.format, file.frames)
        if len(samples) < promised or end_is_missing(data):
            raise _truncated(path, f"got frames={len(samples)}, expected {promised} and an intact end")
        if len(samples) == 0:
            raise AudioError(
                "empty", f"no audio: got frames=0, expected at least one. At {path}. Fetch it again or remove it."
            )
        return samples, file.samplerate


def _read_blocks(file: sf.SoundFile, path: str) -> np.ndarray:
    """Decode to the end; mono float32 ``[samples]``.

    Only the last block may be short: before a hole in an Ogg stream libsndfile returns what it has, and then goes on.
    """
    blocks: list[np.ndarray] = []
    num_read = 0
    is_last = False
    while True:
        num = min(max(1, BLOCK_VALUES // file.channels), file.frames - num_read)
        try:
            block = file.read(num, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise _truncated(path, f"got an error after frames={num_read}, expected {_stated(file)}") from error
        if len(block) == 0:
            return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        if is_last:
            raise _truncated(path, f"got a hole at frame={num_read}, expected {_stated(file)}")
        num_read += len(block)
        is_last = len(block) < num
        with np.errstate(invalid="ignore", over="ignore"):
            blocks.append(block[:, 0] if file.channels == 1 else block.mean(axis=1))


def _stated(file: sf.SoundFile) -> str:
    known = file.frames < 1 << 62
    return f"{file.frames}" if known else "a length in the header (this file states none)"


def _truncated(path: str, found: str) -> AudioError:
    return AudioError("truncated", f"recording is cut or damaged: {found}. At {path}. Fetch it again or remove it.")


def _check_samples(samples: np.ndarray, path: str) -> None:
    num_bad = len(samples) - np.count_nonzero(np.isfinite(samples))
    if num_bad:
        raise AudioError(
            "non_finite",
            f"NaN or infinity: got num_bad={num_bad} of {len(samples)} samples, expected none. At {path}. "
            "Write the file again.",
        )
    half_range = float(samples.max() / 2.0 - samples.min() / 2.0)
    if half_range < 10.0 ** (SILENCE_PEAK_DBFS / 20.0):
        raise AudioError(
            "silent",
            f"nothing recorded: got half the peak-to-peak range={half_range:.2e} (mean of the channels), "
            f"expected {SILENCE_PEAK_DBFS} dBFS or more. At {path}. Remove it.",
        )
