"""Short-time spectra of a recording, and back, so that what is not changed comes back as it was."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FRAME_S = 0.032
SHIFTS = 4
"""In a frame: squares of Hann windows then add up to the same everywhere."""
SUM_OF_SQUARES = 0.375 * SHIFTS


def frame_length(sample_rate: int) -> int:
    """Return the samples of a frame, a multiple of `SHIFTS`.

    >>> frame_length(16000), frame_length(44100)
    (512, 1412)
    """
    return SHIFTS * round(FRAME_S * sample_rate / SHIFTS)


def bins_hz(sample_rate: int) -> NDArray[np.floating]:
    """Return the frequency of each bin of `analyse`, ``[bins]``."""
    return np.fft.rfftfreq(frame_length(sample_rate), 1 / sample_rate)


def analyse(samples: NDArray[np.floating], *, sample_rate: int) -> NDArray[np.complex64]:
    """Return spectra of frames in Hann windows, complex64 ``[frames, bins]``.

    Beyond its ends the recording, of two samples or more, is reflected, so that every sample lies in as many frames.
    """
    length = frame_length(sample_rate)
    shift = length // SHIFTS
    padded = np.pad(samples.astype(np.float32), (length - shift, length - shift + -len(samples) % shift), "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::shift]
    return fft.rfft(frames * _window(length), axis=1)


def synthesise(spectra: NDArray[np.complexfloating], num: int, *, sample_rate: int) -> NDArray[np.float32]:
    """Return the ``num`` samples whose spectra are nearest to those given, ``[frames, bins]``: what `analyse` took.

    References
    ----------
    D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP 1984, equation 6
    """
    length = frame_length(sample_rate)
    frames = fft.irfft(spectra, length, axis=1) * (_window(length) / np.float32(SUM_OF_SQUARES))
    steps = frames.reshape(len(frames), SHIFTS, -1)
    total = np.zeros((len(frames) + SHIFTS - 1, length // SHIFTS), np.float32)
    for place in range(SHIFTS):
        total[place : place + len(frames)] += steps[:, place]
    return total[SHIFTS - 1 :].reshape(-1)[:num]


def _window(length: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
