"""The long-term average spectrum of a voice."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from avis.acoustics.frames import centred_frames

WINDOW_S = 0.032


class Spectrum(NamedTuple):
    """Mean power by frequency.

    Attributes
    ----------
    frequencies_hz : float64 [bins]
        From 0 to half the sample rate.
    power : float64 [bins]
        Up to a constant factor.
    """

    frequencies_hz: NDArray[np.float64]
    power: NDArray[np.float64]

    def mean_between(self, low_hz: float, high_hz: float) -> float:
        """Return the mean power of the bins from one frequency to below another."""
        return float(self.power[(self.frequencies_hz >= low_hz) & (self.frequencies_hz < high_hz)].mean())


def long_term_spectrum(samples: NDArray[np.float32], which: NDArray[np.intp], *, sample_rate: int) -> Spectrum:
    """Average the power spectra of frames of 32 ms.

    Parameters
    ----------
    samples : float32 [samples]
        The recording.
    which : int [frames]
        Numbers of the frames that count, at least one: those with voice.
    sample_rate : int
        In Hz.
    """
    length = round(WINDOW_S * sample_rate)
    window = np.hanning(length + 2)[1:-1].astype(np.float32)
    power = np.zeros(length // 2 + 1)
    for frames in centred_frames(samples, which, sample_rate=sample_rate, window_s=WINDOW_S):
        spectra = fft.rfft(frames * window, axis=1)
        power += np.sum(np.square(spectra.real) + np.square(spectra.imag), axis=0, dtype=np.float64)
    return Spectrum(fft.rfftfreq(length, 1.0 / sample_rate), power / len(which))
