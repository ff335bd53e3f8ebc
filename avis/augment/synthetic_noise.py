"""Make a bank of noises where no recordings are at hand."""

import numpy as np
from numpy.typing import NDArray

from avis.augment.bank import Bank

SPECTRAL_SLOPES = (-1.0, 2.0)
"""Power falls with 1/f^slope: -1 is blue, 0 white, 1 pink, 2 brown noise."""
LOW_EDGES_HZ = (20.0, 400.0)
HIGH_EDGES_HZ = (1500.0, 8000.0)
MODULATION_RATES_HZ = (0.2, 8.0)
MAINS_HZ = (50.0, 60.0)
NUM_HARMONICS = 6


def synthetic_noise_bank(*, sample_rate: int, num: int, duration_s: float, seed: int) -> Bank:
    """Return a bank of coloured, band-limited, amplitude-modulated noises, every other one with mains hum.

    Parameters
    ----------
    sample_rate : int
        Of the bank, in Hz.
    num : int
        Number of noises.
    duration_s : float
        Of each noise.
    seed : int
        The same seed gives the same bank.
    """
    rng = np.random.default_rng(seed)
    num_samples = round(duration_s * sample_rate)
    noises = []
    for index in range(num):
        noise = _coloured_noise(rng, num_samples, sample_rate) * _modulation(rng, num_samples, sample_rate)
        noise /= np.sqrt(np.mean(noise**2))
        if index % 2:
            noise += rng.uniform(0.1, 1.0) * _hum(rng, num_samples, sample_rate)
        noises.append(noise.astype(np.float32))
    return Bank.from_recordings(noises)


def _coloured_noise(rng: np.random.Generator, num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    frequency = np.fft.rfftfreq(num_samples, 1 / sample_rate)
    low, high = rng.uniform(*LOW_EDGES_HZ), rng.uniform(*HIGH_EDGES_HZ)
    in_band = (frequency >= low) & (frequency <= high)
    amplitude = np.zeros_like(frequency)
    amplitude[in_band] = frequency[in_band] ** (-rng.uniform(*SPECTRAL_SLOPES) / 2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(num_samples)) * amplitude, n=num_samples)


def _modulation(rng: np.random.Generator, num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Return a slow rise and fall around 1 of random depth and rate."""
    rate, phase = rng.uniform(*MODULATION_RATES_HZ), rng.uniform(0, 2 * np.pi)
    return 1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rate * np.arange(num_samples) / sample_rate + phase)


def _hum(rng: np.random.Generator, num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Return harmonics of the mains frequency at unit power."""
    phase = 2 * np.pi * rng.choice(MAINS_HZ) * np.arange(num_samples) / sample_rate
    harmonics = np.arange(1, NUM_HARMONICS + 1)
    starts = rng.uniform(0, 2 * np.pi, NUM_HARMONICS)
    hum = sum(np.sin(k * phase + start) / k for k, start in zip(harmonics, starts, strict=True))
    return hum / np.sqrt(np.mean(hum**2))
