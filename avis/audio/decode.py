"""Turn an audio file, or a stretch of one, into samples, or say exactly why that cannot be done."""

import io
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import soxr

from avis.audio.audio_error import AudioError, truncated
from avis.audio.channels import ChannelChoice, best_channel
from avis.audio.containers.find_parts import find_parts
from avis.audio.listing import check_gone
from avis.audio.read_parts import read_parts
from avis.audio.stretch import UNKNOWN_FRAMES, Stretch
from avis.location import open_seekable, read_bytes
from avis.storage_fault import StorageError

SILENCE_PEAK_DBFS = -80.0
"""Half the peak-to-peak range below which a recording is silent: about 3 steps of 16 bit.

Half the range equals the peak where there is no DC offset, and sees through the offset of a dead microphone.
"""

GIVEN = "the recording that was given"
"""Where a recording is that is no file."""

MAX_PEAK = 4.0
"""12 dB above full scale: float files and lossy codecs overshoot by a few dB, which is clipped where it is stored.

The values of 16-bit integers in a float file lie above, but for those up to 4, which would be silence.
"""


def decode(
    source: str | bytes,
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
    source : str or bytes
        Local path, or a URI that `pyarrow.fs.FileSystem.from_uri` knows, or what a file holds. Any format of
        libsndfile, or one of those in `avis.audio.read_av`.
    sample_rate : int
        Of the result, in Hz. A source of a lower rate is upsampled: it keeps its bandwidth, which
        `avis.audio.quality.measure` reports.
    min_duration_s : float
        Shortest recording that is of use, in seconds.
    channel : ChannelChoice
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
        In this order: ``unreadable`` (missing, no file, not audio, absurd sample rate, no such channel),
        ``empty`` (no bytes or no frames), ``truncated`` (the file ends before what its container promises or before
        the stretch does, or the decoder stops in the middle), ``more_than_read`` (the file holds more than would be
        read of it), ``non_finite`` (NaN or infinity in a float file), ``over_scale`` (samples beyond `MAX_PEAK`),
        ``silent``, ``too_short``.
    StorageError
        The storage does not answer or gives no leave, or the file is missing with all of its folder.

    Notes
    -----
    What counts as truncated, by container, of a whole recording (of a stretch, only what it lacks itself counts):

    - FLAC: every cut, and damage in the middle.
    - Ogg (Vorbis, Opus, FLAC, Speex): a cut inside a page or a packet, and damage in the middle. A cut between two
      pages leaves a valid shorter file, as a recorder does that was stopped: the mark of the last page may be missing.
    - WAV, RF64, BW64, W64, AIFF, AU, CAF and SPHERE: every cut, where the header states a length.
    - MP3 with a Xing or Info header: where more than two MPEG frames are missing.
    - MP3 without that header: a cut inside an MPEG frame; a cut between two leaves a valid shorter file.
    - MP3, either way: damage in the middle is only seen by the frames it costs.
    - M4A and WMA: every cut. Bare AAC: a cut inside a frame. AMR: none.
    - M4A, AAC, AMR and WMA: damage in the middle where the decoder does not conceal it.

    What is read beyond what the first header admits, of a stretch too:

    - Joined files (``cat a.wav b.wav``; of MP4 and AMR they are refused) and chains of Ogg, one recording after the
      other, where their sample rates agree. Tags before, between and after them are no audio.
    - WAV, RF64, W64, AIFF, AU, CAF and SPHERE to the end of the file, less the chunks there, where the length is not
      known: 0, a placeholder (of WAV 0x7FFFF000 and above, where the file is shorter), or counted round at 4 GiB.
    - FLAC to its last frame, whatever the header says; MP3 of a variable bit rate without a length.

    All else is refused as ``more_than_read``: bytes after the audio that are no chunk, no tag and no padding (4096
    zeros), several streams or tracks of audio, edits of an MP4 that leave out more than half a second.
    """
    stretch, path = Stretch(start_s=start_s, end_s=end_s), source if isinstance(source, str) else GIVEN
    where = path if stretch.is_whole else f"{path} {stretch}"
    where = f"{where}, channel {channel}" if isinstance(channel, int) else where
    if isinstance(source, str):
        samples, source_rate = _read(source, stretch, channel, where)
    elif stretch.is_whole:
        samples, source_rate = _read_whole(source, channel, where)
    else:
        samples, source_rate = _read_stretch(io.BytesIO(source), stretch, channel, where)
    return make_usable(samples, source_rate, sample_rate=sample_rate, min_duration_s=min_duration_s, where=where)


def make_usable(
    samples: np.ndarray, source_rate: int, *, sample_rate: int, min_duration_s: float, where: str = GIVEN
) -> np.ndarray:
    """Check samples, choose the best of several channels, and bring them to a sample rate; see `decode`.

    Parameters
    ----------
    samples : array
        float32 ``[samples]`` or ``[samples, channels]``, one at least.
    source_rate, sample_rate : int
        Theirs and that of the result, in Hz.
    min_duration_s : float
    where : str
        For the error.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``.

    Raises
    ------
    AudioError
        ``non_finite``, ``over_scale``, ``silent`` or ``too_short``.
    """
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
    except StorageError:
        raise
    except FileNotFoundError as error:
        check_gone(path)
        raise AudioError(
            "unreadable", f"file gone: got others in its folder, expected it among them. At {where}. Fetch it again."
        ) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise AudioError(
            "unreadable", f"no file: got {error}, expected a file that can be read. At {where}. Correct the path."
        ) from error


def _read_whole(data: bytes, channel: ChannelChoice, where: str) -> tuple[np.ndarray, int]:
    if not data:
        raise _empty("no bytes: got size=0 bytes, expected an audio file", where)
    file = _Bytes(data)
    parts = find_parts(file, where=where)
    promised = max(part.stop for part in parts)
    if len(data) < promised:
        raise truncated(where, f"got a file of {len(data)} bytes, expected {promised} or more by what it says itself")
    samples, source_rate = read_parts(file, parts, stretch=Stretch(), channel=channel, where=where)
    if len(samples) == 0:
        raise _empty("no audio: got frames=0, expected at least one", where)
    return samples, source_rate


class _Bytes(io.BytesIO):
    """Bytes with no place before their beginning, where damage sends libsndfile; as `avis.storage_fault.SteadyFile`."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def _empty(found: str, where: str) -> AudioError:
    return AudioError("empty", f"{found}. At {where}. Fetch it again or remove it.")


def _read_stretch(file: BinaryIO, stretch: Stretch, channel: ChannelChoice, where: str) -> tuple[np.ndarray, int]:
    """Read a stretch by the first header alone, and by all of the file only where that does not reach."""
    if not file.read(1):
        raise _empty("no bytes: got size=0 bytes, expected an audio file", where)
    first = find_parts(file, where=where, is_whole=False)
    try:
        samples, source_rate = read_parts(file, first, stretch=stretch, channel=channel, where=where)
        start, end = stretch.frames(source_rate, total=UNKNOWN_FRAMES, where=where)
        if len(samples) == end - start:
            return samples, source_rate
    except AudioError as error:
        if error.reason != "truncated":
            raise
    parts = find_parts(file, where=where)
    return read_parts(file, parts, stretch=stretch, channel=channel, where=where)


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
    peak = float(max(samples.max(), -samples.min()))
    if peak > MAX_PEAK:
        raise AudioError(
            "over_scale",
            f"samples far above full scale: got peak={peak:.6g}, expected at most {MAX_PEAK} of a full scale of 1. "
            f"At {where}. Float files must hold values from -1 to 1: divide by what was taken for full scale, for "
            "16-bit values ffmpeg -i IN -af volume=1/32768 OUT.wav",
        )
    half_range = float(samples.max() / 2.0 - samples.min() / 2.0)
    if half_range < 10.0 ** (SILENCE_PEAK_DBFS / 20.0):
        raise AudioError(
            "silent",
            f"nothing recorded: got half the peak-to-peak range={half_range:.2e}, expected {SILENCE_PEAK_DBFS} dBFS or "
            f"more in the channel that is heard (or the mean of all). At {where}. Remove it.",
        )
    return samples
