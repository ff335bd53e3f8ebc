"""Find, frame by frame, after which times a sound repeats itself and how well: peaks of its autocorrelation.

References
----------
Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", Proceedings of the Institute of Phonetic Sciences 17, 1993.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from avis.acoustics.frames import centred_frames, num_frames

LOWEST_HZ = 60.0
HIGHEST_HZ = 500.0

WINDOW_S = 3.0 / LOWEST_HZ
"""Three periods of the lowest voice."""

UPSAMPLING = 4
"""The autocorrelation is interpolated to this many times the sample rate, which its peaks are too narrow for."""

MAX_PEAKS = 8
"""As many as a tone of 500 Hz has: all multiples of its period."""

MAX_STRENGTH = 1.0 - 1e-6
"""Rounding leaves nothing to tell beyond this."""


class Peaks(NamedTuple):
    """Periods that frames could have.

    Attributes
    ----------
    f0_hz : float64 [frames, peaks]
        One over the period, 60 to 500 Hz; NaN where there is no further peak. In no order.
    strength : float64 [frames, peaks]
        Height of the normalised autocorrelation there, below 1: the share of the power that repeats itself. -inf where
        there is no peak.
    level_db : float64 [frames]
        Of the frame, relative to full scale: -3 of a sine that reaches it.
    """

    f0_hz: NDArray[np.float64]
    strength: NDArray[np.float64]
    level_db: NDArray[np.float64]


_NO_PEAKS = Peaks(np.zeros((0, MAX_PEAKS)), np.zeros((0, MAX_PEAKS)), np.zeros(0))


def find_peaks(samples: NDArray[np.float32], *, sample_rate: int) -> Peaks:
    """Find the best peaks of each frame's normalised autocorrelation.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, its peak about at full scale.
    sample_rate : int
        In Hz.
    """
    window = np.hanning(round(WINDOW_S * sample_rate) + 2)[1:-1].astype(np.float32)
    longest = sample_rate / LOWEST_HZ
    size = fft.next_fast_len(int(len(window) + longest) + 2, real=True)
    lags = np.arange(int(UPSAMPLING * sample_rate / HIGHEST_HZ) - 1, int(UPSAMPLING * longest) + 3)
    of_window = _autocorrelation(window[None], size)[0]
    which = np.arange(num_frames(len(samples), sample_rate))
    found = [_NO_PEAKS]
    for frames in centred_frames(samples, which, sample_rate=sample_rate, window_s=WINDOW_S):
        frames -= frames.mean(axis=1, keepdims=True)
        frames *= window
        raw = _autocorrelation(frames, size)
        power = raw[:, 0] / of_window[0]
        raw = raw[:, lags] * (of_window[0] / of_window[lags]) / np.maximum(raw[:, :1], 1e-12)
        found.append(_peaks(raw, lags / (UPSAMPLING * sample_rate), power))
    return Peaks(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _autocorrelation(frames: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the autocorrelation of each row, interpolated, from lag 0 on, ``[rows, lags]``."""
    spectra = fft.rfft(frames, size, axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    return fft.irfft(power, UPSAMPLING * size, axis=1)


def _peaks(correlation: NDArray[np.float32], lags_s: NDArray[np.float64], power: NDArray[np.float32]) -> Peaks:
    """Pick the best of the local maxima of ``[frames, lags]`` and interpolate them by parabolas."""
    left, middle, right = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    heights = np.where((middle > left) & (middle >= right) & (middle > 0.0), middle, -np.inf)
    best = np.argpartition(heights, -MAX_PEAKS, axis=1)[:, -MAX_PEAKS:]
    is_peak = np.isfinite(np.take_along_axis(heights, best, axis=1))
    y = [np.take_along_axis(side, best, axis=1).astype(np.float64) for side in (left, middle, right)]
    slope, bend = (y[2] - y[0]) / 2.0, np.where(is_peak, y[0] - 2.0 * y[1] + y[2], -1.0)
    shift = np.clip(-slope / bend, -0.5, 0.5)
    period_s = lags_s[best + 1] + shift * (lags_s[1] - lags_s[0])
    height = np.minimum(y[1] + slope * shift / 2.0, MAX_STRENGTH)
    return Peaks(
        f0_hz=np.where(is_peak, 1.0 / period_s, np.nan),
        strength=np.where(is_peak, height, -np.inf),
        level_db=10.0 * np.log10(np.maximum(power.astype(np.float64), 1e-12)),
    )
