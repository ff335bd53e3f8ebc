"""Take bands of frequency away."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve

from avis.augment.ranges import check_range, check_within

NUM_TAPS = 401
"""Odd, so that the filter has a middle. A band's edges are 5.5 / NUM_TAPS of the sample rate wide (Blackman window)."""


class DropFreq:
    """Filter out a random number of bands of one width, at random places.

    The filters' delay is taken back. Bands may overlap; the level isn't raised again.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    min_bands, max_bands : int
        The number of bands is drawn uniformly between these, both included.
    width_hz : float
        Of a band, between the points at -6 dB; at most a quarter of the sample rate.

    References
    ----------
    M. Ravanelli et al., "SpeechBrain: a general-purpose speech toolkit", 2021; https://arxiv.org/abs/2106.04624 (its
    ``DropFreq``: a time-domain approximation of SpecAugment's frequency masks).
    """

    bank: ClassVar[str | None] = None

    def __init__(
        self, *, probability: float, sample_rate: int, min_bands: int, max_bands: int, width_hz: float
    ) -> None:
        check_range(min_bands, max_bands, name="bands", unit="bands", floor=0)
        check_within(width_hz, 6 * sample_rate / NUM_TAPS, sample_rate / 4, name="width_hz", unit="Hz")
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_bands = min_bands
        self.max_bands = max_bands
        self.width_hz = width_hz

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the waveform without the bands, float32 ``[samples]``."""
        for _ in range(rng.integers(self.min_bands, self.max_bands, endpoint=True)):
            low = rng.uniform(1.0, self.sample_rate / 2 - self.width_hz - 1.0)
            edges = [low, low + self.width_hz]
            taps = firwin(NUM_TAPS, edges, window="blackman", pass_zero="bandstop", fs=self.sample_rate)
            delay = NUM_TAPS // 2
            waveform = oaconvolve(waveform, taps.astype(np.float32))[delay : delay + len(waveform)]
        return waveform
