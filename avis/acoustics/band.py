"""Keep of a recording the band in which voices sound and telephones carry them."""

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft

VOICE_RATE_HZ = 8000
"""Sample rate of the voices' band: what is measured in it is the same of telephones and of good microphones."""

RUMBLE_HZ = (70.0, 90.0)
"""Mains hum of 50 and 60 Hz goes, and rumble. A voice lower than that keeps its F0, the distance of its harmonics."""

PADDING_S = 0.1
"""Silence behind the end, where the filter rings, so that the beginning does not hear it."""


def voice_band(samples: NDArray[np.float32], *, sample_rate: int) -> NDArray[np.float32]:
    """Resample to 8 kHz and take away what is below voices.

    Parameters
    ----------
    samples : float32 [samples]
        The recording.
    sample_rate : int
        In Hz, at least 8000.

    Returns
    -------
    float32 [samples]
        At 8000 Hz.
    """
    narrow = soxr.resample(samples, sample_rate, VOICE_RATE_HZ)
    return filtered(narrow, sample_rate=VOICE_RATE_HZ, rise_hz=RUMBLE_HZ)


def filtered(
    samples: NDArray[np.float32],
    *,
    sample_rate: int,
    rise_hz: tuple[float, float],
    fall_hz: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Pass a band, without delay.

    Parameters
    ----------
    samples : float32 [samples]
        The recording.
    sample_rate : int
        In Hz.
    rise_hz, fall_hz : tuple of float
        Between which frequencies the gain rises from 0 to 1, and falls back to 0, as a squared sine. The steeper, the
        longer it rings.
    """
    size = fft.next_fast_len(len(samples) + round(PADDING_S * sample_rate), real=True)
    frequencies_hz = fft.rfftfreq(size, 1.0 / sample_rate).astype(np.float32)
    gains = _rise(frequencies_hz, *rise_hz)
    if fall_hz is not None:
        gains *= 1.0 - _rise(frequencies_hz, *fall_hz)
    return np.asarray(fft.irfft(fft.rfft(samples, size) * gains, size)[: len(samples)], dtype=np.float32)


def _rise(frequencies_hz: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float32]:
    share = np.clip((frequencies_hz - low_hz) / (high_hz - low_hz), 0.0, 1.0)
    return np.asarray(np.sin(0.5 * np.pi * share) ** 2, dtype=np.float32)
