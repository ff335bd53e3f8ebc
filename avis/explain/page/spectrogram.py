"""A spectrogram as a small picture."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

WINDOW_S, HOP_S = 0.025, 0.010
WIDTH, HEIGHT = 600, 140
"""In pixels."""

MAX_HZ = 8000.0
PRE_EMPHASIS = 0.97
RANGE_DB = 60.0
LEVELS = 16
"""Of grey: two pixels are a byte, so that no picture is larger than 43 kB."""

MOST_FRAMES = 4
"""Of a pixel of a long recording: more are left out."""


def highest_hz(sample_rate: int) -> float:
    """Return the frequency at the upper edge of a spectrogram."""
    return min(MAX_HZ, sample_rate / 2)


def spectrogram(samples: NDArray[np.float32], *, sample_rate: int) -> bytes:
    """Return the spectrogram of a recording as a PNG file, `WIDTH` x `HEIGHT`; the louder, the darker.

    Time runs from its beginning to its end, frequency from 0 to `highest_hz`, loudness over the `RANGE_DB` below the
    loudest place.

    Parameters
    ----------
    samples : float32 [samples]
        At least one.
    sample_rate : int
        In Hz.
    """
    length = max(round(WINDOW_S * sample_rate), 8)
    sharpened = np.append(samples[:1], samples[1:] - PRE_EMPHASIS * samples[:-1])
    padded = np.pad(sharpened, length // 2)
    each = int(np.clip(len(samples) / sample_rate / HOP_S / WIDTH, 1, MOST_FRAMES))
    starts = (np.arange(WIDTH * each) + 0.5) * len(samples) / (WIDTH * each)
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[starts.astype(np.int64)]
    power = np.abs(np.fft.rfft(frames * np.hanning(length), n=1 << (length - 1).bit_length() + 1)) ** 2
    power = power.reshape(WIDTH, each, -1).mean(axis=1)
    bins_hz = np.linspace(0.0, sample_rate / 2, power.shape[1])
    rows_hz = np.linspace(highest_hz(sample_rate), 0.0, HEIGHT)
    levels_db = 10.0 * np.log10(np.maximum(power, 1e-12))
    image_db = np.array([np.interp(rows_hz, bins_hz, column) for column in levels_db]).T
    loudness = (
        np.clip((image_db - image_db.max()) / RANGE_DB + 1.0, 0.0, 1.0) if image_db.max() > -119.0 else 0 * image_db
    )
    return grey_png(np.rint((1.0 - loudness) * (LEVELS - 1)).astype(np.uint8))


def grey_png(image: NDArray[np.uint8]) -> bytes:
    """Return an image of 16 levels of grey, 0 being black, as a PNG file.

    Parameters
    ----------
    image : uint8 [height, width]
        An even number of columns.
    """
    height, width = image.shape
    packed = image[:, ::2] << 4 | image[:, 1::2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), packed], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 4, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
