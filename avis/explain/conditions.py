"""A recording as it would be under other conditions, int16 values in and out."""

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft

from avis.explain.edits import as_values
from avis.explain.spectra import analyse, synthesise

TELEPHONE_HZ = (300.0, 3400.0)
EDGE_ORDER = 8
"""Of the telephone band's edges, which fall by 6 dB an octave times this, as a Butterworth filter's."""

QUIET_SHARE = 0.1
"""Of the frames, the quietest of which are taken for the noise."""
NOISE_FACTOR = 2.0
"""Of its mean power, up to which noise is taken for noise: from frame to frame it scatters about as much."""
LEAST_GAIN = 0.1
"""What is left of what seems noise: less would ring."""


def at_rate(values: NDArray[np.int16], *, sample_rate: int, rate: int) -> NDArray[np.int16]:
    """Return a recording ``[samples]`` as if it had been made at a lower rate, in Hz."""
    lower = soxr.resample(values.astype(np.float32), sample_rate, rate, quality="HQ")
    again = soxr.resample(lower, rate, sample_rate, quality="HQ")[: len(values)]
    return as_values(np.pad(again, (0, len(values) - len(again))))


def by_telephone(values: NDArray[np.int16], *, sample_rate: int) -> NDArray[np.int16]:
    """Return a recording ``[samples]`` as a telephone's band passes it, without delay."""
    num = fft.next_fast_len(2 * len(values), real=True)  # so that neither end is heard at the other
    hz = np.fft.rfftfreq(num, 1 / sample_rate)
    low, high = TELEPHONE_HZ
    power = 2 * EDGE_ORDER
    passed = np.sqrt(hz**power / (hz**power + low**power) / (1 + (hz / high) ** power))
    return as_values(fft.irfft(fft.rfft(values.astype(np.float64), num) * passed, num)[: len(values)])


def without_noise(values: NDArray[np.int16], *, sample_rate: int) -> NDArray[np.int16]:
    """Return a recording ``[samples]`` less its noise, the mean power spectrum of its quietest frames.

    Each magnitude is multiplied by the share of the power that is not noise (Wiener's gain), where noise counts
    `NOISE_FACTOR` times, but at least by `LEAST_GAIN`. Noise that changes stays.

    References
    ----------
    J. Lim and A. Oppenheim, "Enhancement and bandwidth compression of noisy speech", Proceedings of the IEEE 1979; M.
    Berouti, R. Schwartz and J. Makhoul, "Enhancement of speech corrupted by acoustic noise", ICASSP 1979 (the factor)
    """
    spectra = analyse(values.astype(np.float32), sample_rate=sample_rate)
    power = np.square(np.abs(spectra))
    loudness = power.sum(axis=1)
    quiet = loudness <= np.quantile(loudness, QUIET_SHARE)
    kept = np.maximum(1 - NOISE_FACTOR * power[quiet].mean(axis=0) / np.maximum(power, 1e-6), LEAST_GAIN)
    return as_values(synthesise(spectra * kept, len(values), sample_rate=sample_rate))
