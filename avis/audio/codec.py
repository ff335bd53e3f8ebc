"""Store mono waveforms as FLAC or PCM16 bytes, and read any stretch back without decoding the rest."""

import io
from typing import Literal

import numpy as np
import soundfile as sf

FULL_SCALE = 32768
"""Stored values are int16; waveforms are int16 / 32768."""

FLAC_MAGIC = b"fLaC"


def encode(samples: np.ndarray, *, sample_rate: int, encoding: Literal["flac", "pcm16"]) -> bytes:
    """Encode a waveform in 16 bit: rounded to the nearest step (ties to even), without dither, clipped to full scale.

    The bytes depend on nothing but the arguments (and, for FLAC, the version of libFLAC).

    Parameters
    ----------
    samples : array
        float32 ``[samples]``, finite.
    sample_rate : int
        In Hz. PCM16 bytes do not hold it.
    encoding : {"flac", "pcm16"}
        ``flac``, or ``pcm16``: bare little-endian values.

    Raises
    ------
    ValueError
        Unknown encoding.

    Examples
    --------
    >>> encode(np.array([0.5, -1.0, 2.0], np.float32), sample_rate=16000, encoding="pcm16").hex()
    '00400080ff7f'
    """
    return pack(quantise(samples), sample_rate=sample_rate, encoding=encoding)


def quantise(samples: np.ndarray) -> np.ndarray:
    """Return finite float32 ``[samples]`` as int16: rounded to the nearest step, clipped to full scale."""
    assert samples.ndim == 1, f"expected samples [samples], got shape {samples.shape}"
    assert np.isfinite(samples).all(), "expected finite samples"
    with np.errstate(over="ignore"):
        steps = samples * samples.dtype.type(FULL_SCALE)  # a power of two: the product is exact
    np.rint(steps, out=steps)
    np.clip(steps, -FULL_SCALE, FULL_SCALE - 1, out=steps)
    return steps.astype("<i2")


def pack(values: np.ndarray, *, sample_rate: int, encoding: Literal["flac", "pcm16"]) -> bytes:
    """Encode what `quantise` returned; see `encode`."""
    if encoding == "flac":
        stream = io.BytesIO()
        sf.write(stream, values, sample_rate, format="FLAC", subtype="PCM_16")
        return stream.getvalue()
    if encoding == "pcm16":
        if values[:2].tobytes() == FLAC_MAGIC:
            # One step (-90 dBFS) keeps the two encodings distinguishable by their first bytes.
            values = np.concatenate([values[:1] - 1, values[1:]], dtype="<i2")
        return values.tobytes()
    raise ValueError(
        f"unknown encoding: got encoding={encoding!r}, expected 'flac' or 'pcm16'. At encode. Choose one of them."
    )


def read_crop(audio: bytes | memoryview, *, start: int, num: int) -> np.ndarray:
    """Read ``num`` samples from ``start`` on, decoding only these.

    Parameters
    ----------
    audio : bytes or memoryview
        What `encode` returned; its first four bytes tell FLAC from PCM16.
    start, num : int
        In samples.

    Returns
    -------
    np.ndarray
        float32 ``[num]``.

    Raises
    ------
    ValueError
        The crop does not lie inside the recording.
    """
    return to_float(read_values(audio, start=start, num=num))


def read_values(audio: bytes | memoryview, *, start: int, num: int) -> np.ndarray:
    """Read what `read_crop` reads as the values stored, int16 ``[num]``."""
    if audio[:4] != FLAC_MAGIC:
        values = np.frombuffer(audio, "<i2")
        _check_crop(start, num, len(values))
        return values[start : start + num]
    with sf.SoundFile(io.BytesIO(audio)) as file:
        _check_crop(start, num, file.frames)
        file.seek(start)
        return file.read(num, dtype="int16")


def read_all(audio: bytes) -> np.ndarray:
    """Read the whole recording as float32 ``[samples]``.

    >>> read_all(encode(np.array([0.5, -1.0], np.float32), sample_rate=16000, encoding="flac")).tolist()
    [0.5, -1.0]
    """
    if audio[:4] != FLAC_MAGIC:
        return to_float(np.frombuffer(audio, "<i2"))
    with sf.SoundFile(io.BytesIO(audio)) as file:
        return to_float(file.read(dtype="int16"))


def to_float(values: np.ndarray) -> np.ndarray:
    """Return stored values as a waveform in [-1, 1), float32."""
    return values.astype(np.float32) / np.float32(FULL_SCALE)


def _check_crop(start: int, num: int, total: int) -> None:
    if start < 0 or num < 0 or start + num > total:
        raise ValueError(
            f"crop outside the recording: got start={start}, num={num} samples, expected them inside {total} samples. "
            "At read_crop. Take the length from the num_samples column."
        )
