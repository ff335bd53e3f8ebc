"""Find the resonances of the vocal tract, its formants, by linear prediction.

References
----------
Atal and Hanauer, "Speech analysis and synthesis by linear prediction of the speech wave", JASA 50, 1971.
Markel and Gray, "Linear Prediction of Speech", Springer, 1976 (chapter 7: formants by the roots of the polynomial).
"""

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft

from avis.acoustics.frames import centred_frames
from avis.acoustics.spectrum import Spectrum, long_term_spectrum

NUM_FORMANTS = 4

WIDE_RATE_HZ = 10500
"""Sample rate whose half has five formants below it, for most grown-up women and men."""

NARROW_RATE_HZ = 8000
"""Sample rate of telephones: four formants, the last one too near the edge to be told."""

BELOW_HZ = (2500.0, 3300.0)
ABOVE_HZ = (4300.0, 5100.0)
MAX_DROP_DB = 33.0
"""Where the second band is further below the first, a telephone's audio was resampled. Of 101 recordings the most was
31 dB; once resampled to 8 kHz and back, in 16 bit, the least was 36."""

HZ_PER_POLE = 1000.0
WINDOW_S = 0.040
PREEMPHASIS_HZ = 50.0
"""From here on 6 dB per octave are taken off: what glottis and lips do to the spectrum."""

REGULARISATION = 1e-9
"""White noise, of the power, that is added before the prediction."""

LOWEST_HZ = 150.0
HIGHEST_BELOW_HALF_HZ = 50.0
MAX_BANDWIDTH_HZ = 1000.0
"""Other roots shape the spectrum as a whole and are no resonances."""


def formant_medians_hz(
    samples: NDArray[np.float32], which: NDArray[np.intp], *, sample_rate: int
) -> NDArray[np.float64]:
    """Return the medians of F1 to F4.

    They are those of the vocal tract under two conditions: F0 is below F1, else F1 is drawn to a multiple of F0; and no
    two formants melt into one, else those above are counted one too low. Medians of many frames bear both in part.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, of any level.
    which : int [frames]
        Numbers of the frames that count, at least one: those with voice.
    sample_rate : int
        In Hz, at least 8000.

    Returns
    -------
    float64 [4]
        In Hz; NaN for one that is not in at least half of the frames, and for F4 where nothing above 4 kHz was
        recorded.
    """
    if sample_rate > WIDE_RATE_HZ:
        wide = soxr.resample(samples, sample_rate, WIDE_RATE_HZ)
        if not is_telephone(long_term_spectrum(wide, which, sample_rate=WIDE_RATE_HZ)):
            return _medians(track_formants(wide, which, sample_rate=WIDE_RATE_HZ))
    narrow = soxr.resample(samples, sample_rate, NARROW_RATE_HZ)
    medians = _medians(track_formants(narrow, which, sample_rate=NARROW_RATE_HZ))
    medians[3] = np.nan
    return medians


def is_telephone(spectrum: Spectrum) -> bool:
    """Tell whether there is nothing above 4 kHz, by a spectrum that goes up to 5.1 kHz at least."""
    above = max(spectrum.mean_between(*ABOVE_HZ), np.finfo(float).tiny)
    return bool(10.0 * np.log10(spectrum.mean_between(*BELOW_HZ) / above) > MAX_DROP_DB)


def track_formants(samples: NDArray[np.float32], which: NDArray[np.intp], *, sample_rate: int) -> NDArray[np.float64]:
    """Return the four lowest resonances of each frame.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, at a sample rate below half of which there is about a formant for each kHz.
    which : int [frames]
        Numbers of the frames that are wanted.
    sample_rate : int
        In Hz.

    Returns
    -------
    float64 [frames, 4]
        In Hz, ascending; NaN where there are fewer.
    """
    order = 2 * round(sample_rate / HZ_PER_POLE / 2.0)
    keep = np.float32(np.exp(-2.0 * np.pi * PREEMPHASIS_HZ / sample_rate))
    flat = np.append(samples[:1], samples[1:] - keep * samples[:-1])
    tracks = [np.zeros((0, NUM_FORMANTS))]
    for frames in centred_frames(flat, which, sample_rate=sample_rate, window_s=WINDOW_S):
        tracks.append(_resonances_hz(predict(frames, order=order), sample_rate=sample_rate))
    return np.concatenate(tracks)


def predict(frames: NDArray[np.floating], *, order: int) -> NDArray[np.float64]:
    """Return the linear prediction polynomial of each frame: the autocorrelation method, Levinson's recursion.

    Parameters
    ----------
    frames : float [frames, samples]
        Not yet windowed, none of them silent.
    order : int
        Number of samples from which the next is predicted.

    Returns
    -------
    float64 [frames, order + 1]
        Coefficients of ``z^-k``, the first of which is 1.
    """
    window = np.hanning(frames.shape[1] + 2)[1:-1]
    size = fft.next_fast_len(frames.shape[1] + order, real=True)
    spectra = fft.rfft(frames * window, size, axis=1)
    correlation = fft.irfft(np.square(spectra.real) + np.square(spectra.imag), size, axis=1)[:, : order + 1]
    correlation[:, 0] *= 1.0 + REGULARISATION
    polynomial = np.zeros_like(correlation)
    polynomial[:, 0] = 1.0
    error = correlation[:, 0].copy()
    for step in range(1, order + 1):
        reflection = -np.einsum("ij,ij->i", polynomial[:, :step], correlation[:, step:0:-1]) / error
        polynomial[:, 1 : step + 1] += reflection[:, None] * polynomial[:, step - 1 :: -1]
        error *= 1.0 - reflection**2
    return polynomial


def _resonances_hz(polynomial: NDArray[np.float64], *, sample_rate: int) -> NDArray[np.float64]:
    """Return the lowest frequencies of roots that are narrow enough, ``[frames, 4]``."""
    order = polynomial.shape[1] - 1
    companion = np.zeros((len(polynomial), order, order))
    companion[:, 0] = -polynomial[:, 1:]
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    roots = np.linalg.eigvals(companion).astype(np.complex128)
    frequencies_hz = np.angle(roots) * sample_rate / (2.0 * np.pi)
    bandwidths_hz = -np.log(np.maximum(np.abs(roots), 1e-12)) * sample_rate / np.pi
    is_resonance = (frequencies_hz > LOWEST_HZ) & (frequencies_hz < sample_rate / 2.0 - HIGHEST_BELOW_HALF_HZ)
    is_resonance &= bandwidths_hz < MAX_BANDWIDTH_HZ
    return np.sort(np.where(is_resonance, frequencies_hz, np.nan), axis=1)[:, :NUM_FORMANTS]


def _medians(tracks: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.isfinite(tracks)
    return np.array(
        [
            np.median(track[each]) if np.mean(each) >= 0.5 else np.nan
            for track, each in zip(tracks.T, found.T, strict=True)
        ]
    )
