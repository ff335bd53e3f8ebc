"""Turn an audio file, or a stretch of one, into samples, or say exactly why that cannot be done."""

import io
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import soxr

from avis.audio.audio_error import AudioError, truncated
from avis.audio.channels import ChannelChoice, best_channel
from avis.audio.promise import promised_bytes, promised_frames
from avis.audio.read_av import NUM_HEAD_BYTES, av_container, read_av
from avis.audio.read_soundfile import read_soundfile
from avis.audio.stretch import Stretch
from avis.location import open_seekable, read_bytes

SILENCE_PEAK_DBFS = -80.0
"""Half the peak-to-peak range below which a recording is silent: about 3 steps of 16 bit.

Half the range equals the peak where there is no DC offset, and sees through the offset of a dead microphone.
"""


def decode(
    path: str,
    *,
    sample_rate: int,
    min_duration_s: float,
    channel: ChannelChoice,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> np.ndarray:
    """Decode a recording, or a stretch of it, to mono at one sample rate.

    soxr (HQ) resamples. Levels and any DC offset stay as they are. The result is a pure function of the file's bytes
    and the arguments. A whole recording is held in memory with its file; of a stretch, the stretch alone.

    Parameters
    ----------
    path
        Local path, or a URI that `pyarrow.fs.FileSystem.from_uri` knows. Any format of libsndfile, or one of those in
        `avis.audio.read_av`.
    sample_rate
        Of the result, in Hz. A source of a lower rate is upsampled: it keeps its bandwidth, which
        `avis.audio.quality.measure` reports.
    min_duration_s
        Shortest recording that is of use, in seconds.
    channel
        What to hear of several channels: see `avis.audio.channels.ChannelChoice`.
    start_s, end_s
        The stretch, in seconds of the file; ``end_s=None`` for its end.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``. Within [-1, 1] except where a float file or the resampler's overshoot goes beyond.

    Raises
    ------
    AudioError
        In this order: ``unreadable`` (missing, not permitted, not audio, absurd sample rate, no such channel),
        ``empty`` (no bytes or no frames), ``truncated`` (the file ends before what its container promises or before
        the stretch does, or the decoder stops in the middle), ``non_finite`` (NaN or infinity in a float file),
        ``silent``, ``too_short``.

    Notes
    -----
    What counts as truncated, by container, of a whole recording (of a stretch, only what it lacks itself counts):

    - FLAC and Ogg (Vorbis, Opus): every cut, and damage in the middle. A FLAC stream that does not state its length
      (written to a pipe) is reported too: libsndfile cannot decode its last block.
    - WAV, RF64, W64, AIFF, AU and SPHERE: every cut; CAF too, as unreadable. Unknown lengths, as written to a pipe (of
      WAV 0x7FFFF000 and above), are accepted.
    - MP3 with a Xing or Info header: where more than two MPEG frames are missing.
    - MP3 without that header: a cut inside an MPEG frame; a cut between two leaves a valid shorter file. Where the bit
      rate varies as well, libsndfile cannot decode all of it, and the whole file is reported: write it again.
    - MP3, either way: damage in the middle is only seen by the frames it costs.
    - M4A: every cut. Bare AAC: a cut inside a frame. AMR and WMA: none.
    - M4A, AAC, AMR and WMA: damage in the middle where the decoder does not conceal it.
    """
    stretch = Stretch(start_s=start_s, end_s=end_s)
    where = path if stretch.is_whole else f"{path} {stretch}"
    where = f"{where}, channel {channel}" if isinstance(channel, int) else where
    samples, source_rate = _read(path, stretch, channel, where)
    samples = _one_channel(samples, source_rate, where)
    check_duration(len(samples) / source_rate, max(min_duration_s, 1 / sample_rate), where=where)  # a sample at least
    if source_rate != sample_rate:
        samples = soxr.resample(samples, source_rate, sample_rate, quality="HQ")
    return samples


def check_duration(duration_s: float, min_duration_s: float, *, where: str) -> None:
    """Refuse, as ``too_short``, a recording that is shorter than of use."""
    if duration_s < min_duration_s:
        raise AudioError(
            "too_short",
            f"recording too short: got duration_s={duration_s:.3f} s, expected at least {min_duration_s} s. "
            f"At {where}. Lower the minimum duration or leave the file out.",
        )


def _read(path: str, stretch: Stretch, channel: ChannelChoice, where: str) -> tuple[np.ndarray, int]:
    """Return float32 ``[samples]`` or ``[samples, channels]`` at the file's own rate, and that rate in Hz."""
    try:
        if stretch.is_whole:
            return _read_whole(read_bytes(path), channel, where)
        with open_seekable(path) as file:
            return _read_stretch(file, stretch, channel, where)
    except (OSError, pa.ArrowInvalid) as error:
        raise AudioError(
            "unreadable", f"cannot read file: got {error}, expected a readable file. At {where}. Check path and rights."
        ) from error


def _read_whole(data: bytes, channel: ChannelChoice, where: str) -> tuple[np.ndarray, int]:
    container, stretch, file = _container(data[:NUM_HEAD_BYTES], where), Stretch(), io.BytesIO(data)
    if container is not None:
        _check_bytes(data, where)
        samples, source_rate = read_av(file, container=container, stretch=stretch, channel=channel, where=where)
    else:
        samples, source_rate, form, stated = read_soundfile(file, stretch=stretch, channel=channel, where=where)
        _check_bytes(data, where)
        promised = promised_frames(data, form, stated)
        if len(samples) < promised:
            raise truncated(where, f"got frames={len(samples)}, expected {promised}")
    if len(samples) == 0:
        raise AudioError(
            "empty", f"no audio: got frames=0, expected at least one. At {where}. Fetch it again or remove it."
        )
    return samples, source_rate


def _check_bytes(data: bytes, where: str) -> None:
    promised = promised_bytes(data)
    if len(data) < promised:
        raise truncated(where, f"got a file of {len(data)} bytes, expected {promised} or more by what it says itself")


def _read_stretch(file: BinaryIO, stretch: Stretch, channel: ChannelChoice, where: str) -> tuple[np.ndarray, int]:
    container = _container(file.read(NUM_HEAD_BYTES), where)
    file.seek(0)
    if container is not None:
        return read_av(file, container=container, stretch=stretch, channel=channel, where=where)
    samples, source_rate, _, _ = read_soundfile(file, stretch=stretch, channel=channel, where=where)
    return samples, source_rate


def _container(head: bytes, where: str) -> str | None:
    if not head:
        raise AudioError("empty", f"no bytes: got size=0 bytes, expected an audio file. At {where}. Fetch it again.")
    return av_container(head)


def _one_channel(samples: np.ndarray, source_rate: int, where: str) -> np.ndarray:
    """Check that the samples are fit for use; choose the best channel where several are left."""
    if not (np.isfinite(samples.min()) and np.isfinite(samples.max())):
        num_bad = samples.size - np.count_nonzero(np.isfinite(samples))
        raise AudioError(
            "non_finite",
            f"NaN or infinity: got num_bad={num_bad} of {samples.size} samples, expected none. At {where}. "
            "Write the file again.",
        )
    if samples.ndim == 2:
        samples = best_channel(samples, sample_rate=source_rate)
    half_range = float(samples.max() / 2.0 - samples.min() / 2.0)
    if half_range < 10.0 ** (SILENCE_PEAK_DBFS / 20.0):
        raise AudioError(
            "silent",
            f"nothing recorded: got half the peak-to-peak range={half_range:.2e}, expected {SILENCE_PEAK_DBFS} dBFS or "
            f"more in the channel that is heard (or the mean of all). At {where}. Remove it.",
        )
    return samples
