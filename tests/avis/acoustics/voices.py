"""Sounds whose pitch, resonances, tilt, noise and tempo are known: made independently of what measures them."""

import numpy as np
import scipy.signal
from numpy.typing import NDArray

RATE = 16000

VOWELS_HZ = {
    "heed": (270, 2290, 3010),
    "head": (530, 1840, 2480),
    "had": (660, 1720, 2410),
    "hod": (730, 1090, 2440),
    "hood": (440, 1020, 2240),
    "who'd": (300, 870, 2240),
}
"""F1 to F3 of American men: Peterson and Barney 1952."""

HIGHER_HZ = (3500, 4500, 5500, 6500)
BANDWIDTHS_HZ = (70, 90, 130, 180, 250, 320, 400)


def formants_hz(vowel: str) -> NDArray[np.float64]:
    return np.array([*VOWELS_HZ[vowel], *HIGHER_HZ], dtype=float)


def melody(f0_hz: float, duration_s: float, *, semitones: float = 1.0, sample_rate: int = RATE) -> NDArray[np.float64]:
    """F0 at each sample: up and down as a sine, so that half of the time it is within ``0.707 * semitones``."""
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    return f0_hz * 2.0 ** (semitones / 12.0 * np.sin(2.0 * np.pi * 1.25 * t))


def pulses(f0_hz: NDArray[np.float64], *, sample_rate: int = RATE) -> NDArray[np.float64]:
    """Cosines at all multiples of F0 up to 95 % of half the sample rate: a glottis without tilt or noise."""
    phase = 2.0 * np.pi * np.cumsum(f0_hz) / sample_rate
    numbers = range(1, int(0.475 * sample_rate / f0_hz.min()) + 1)
    return np.sum([np.cos(n * phase) * (n * f0_hz < 0.475 * sample_rate) for n in numbers], axis=0)


def resonate(source: NDArray[np.float64], formants: NDArray[np.float64], *, sample_rate: int = RATE) -> NDArray:
    """Pass through a resonator for each formant."""
    for formant_hz, bandwidth_hz in zip(formants, BANDWIDTHS_HZ, strict=False):
        radius, angle = np.exp(-np.pi * bandwidth_hz / sample_rate), 2.0 * np.pi * formant_hz / sample_rate
        poles = [1.0, -2.0 * radius * np.cos(angle), radius**2]
        source = scipy.signal.lfilter([sum(poles)], poles, source)
    return source


def glottis(source: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tilt a flat source as glottis and lips do: by -12 dB per octave above 100 Hz, and by 6."""
    pole = np.exp(-2.0 * np.pi * 100.0 / RATE)
    return scipy.signal.lfilter([1.0, -1.0], np.convolve([1.0, -pole], [1.0, -pole]), source)


def held_vowel(vowel: str, f0_hz: float = 120.0, *, duration_s: float = 1.5, scale: float = 1.0) -> NDArray[np.float32]:
    """One vowel of a melody of 2 semitones; ``scale`` multiplies its formants, as a shorter vocal tract does."""
    wave = resonate(glottis(pulses(melody(f0_hz, duration_s))), scale * formants_hz(vowel))
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def syllables(
    rate_hz: float, *, f0_hz: float = 120.0, duration_s: float = 4.0, pause_s: float = 0.0
) -> NDArray[np.float32]:
    """Vowels one after the other, each swelling and fading within a 40 dB range, then a pause."""
    source = glottis(pulses(melody(f0_hz, duration_s)))
    vowels = [resonate(source, formants_hz(vowel)) for vowel in VOWELS_HZ]
    t = np.arange(round(duration_s * RATE)) / RATE
    number = (t * rate_hz).astype(int)
    wave = np.choose(number % len(vowels), [vowel / np.sqrt(np.mean(vowel**2)) for vowel in vowels])
    swell = 10.0 ** (-(1.0 + np.cos(2.0 * np.pi * t * rate_hz)))
    return np.append(0.05 * wave * swell, np.zeros(round(pause_s * RATE))).astype(np.float32)


def noise(seed: int, duration_s: float, *, sample_rate: int = RATE) -> NDArray[np.float64]:
    """White noise of power 1."""
    return np.random.default_rng(seed).standard_normal(round(duration_s * sample_rate))
