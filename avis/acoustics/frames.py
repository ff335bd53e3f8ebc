"""Cut recordings into frames that all measures share, whatever their windows: one every 10 ms."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

HOP_S = 0.010

FRAMES_AT_ONCE = 256
"""So that what is computed of them stays in the processor's cache, and of an hour in memory."""


def num_frames(num_samples: int, sample_rate: int) -> int:
    """Return how many whole hops there are."""
    return int(num_samples / sample_rate / HOP_S + 1e-9)


def centred_frames(
    samples: NDArray[np.float32], which: NDArray[np.intp], *, sample_rate: int, window_s: float
) -> Iterator[NDArray[np.float32]]:
    """Yield frames of a recording, some at a time, all of one length.

    Frame ``i`` is centred on ``(i + 1/2) * 10 ms``, so that frames of windows of any length belong together. Beyond
    the ends of the recording there is silence.

    Parameters
    ----------
    samples : float32 [samples]
        The recording.
    which : int [frames]
        Numbers of the frames that are wanted.
    sample_rate : int
        In Hz.
    window_s : float
        Length of a frame, in seconds.

    Yields
    ------
    float32 [some frames, window]
        A copy.

    Examples
    --------
    >>> [frames] = centred_frames(np.arange(40, dtype=np.float32), np.array([1]), sample_rate=1000, window_s=0.004)
    >>> frames
    array([[13., 14., 15., 16.]], dtype=float32)
    """
    length = round(window_s * sample_rate)
    padded = np.pad(samples, length)
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)
    starts = np.rint((which + 0.5) * HOP_S * sample_rate).astype(np.intp) + length - length // 2
    for first in range(0, len(which), FRAMES_AT_ONCE):
        yield frames[starts[first : first + FRAMES_AT_ONCE]]
