"""Lose the high frequencies as a recording of a lower sample rate does."""

from typing import ClassVar

import numpy as np
import soxr
from numpy.typing import NDArray

from avis.augment.ranges import check_within


class Downsample:
    """Resample to a lower rate and back.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    rates : list of int
        In Hz, at most ``sample_rate``; one of them is drawn.
    """

    bank: ClassVar[str | None] = None

    def __init__(self, *, probability: float, sample_rate: int, rates: list[int]) -> None:
        check_within(len(rates), 1, np.inf, name="rates", unit="rates")
        for rate in rates:
            check_within(rate, 1000, sample_rate, name="rates", unit="Hz")
        self.probability = probability
        self.sample_rate = sample_rate
        self.rates = list(rates)

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the waveform with half the rate drawn as its bandwidth, float32 ``[samples]``."""
        rate = self.rates[int(rng.integers(len(self.rates)))]
        if rate == self.sample_rate:
            return waveform
        lower = soxr.resample(waveform, self.sample_rate, rate, quality="HQ")
        again = soxr.resample(lower, rate, self.sample_rate, quality="HQ")[: len(waveform)]
        return np.pad(again, (0, len(waveform) - len(again)))
