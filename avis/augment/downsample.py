"""Lose the high frequencies as a recording of a lower sample rate does."""

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.ranges import check_within
from avis.augment.resampling import is_simple, resample
from avis.augment.transform import BatchTransform


class Downsample(BatchTransform):
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

    def __init__(self, *, probability: float, sample_rate: int, rates: list[int]) -> None:
        check_within(len(rates), 1, np.inf, name="rates", unit="rates")
        for rate in rates:
            check_within(rate, 1000, sample_rate, name="rates", unit="Hz")
        self.probability = probability
        self.sample_rate = sample_rate
        self.rates = list(rates)

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the number of the rate."""
        return [int(rng.integers(len(self.rates)))]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the waveform with half the rate drawn as its bandwidth, float32 ``[samples]``."""
        rate = self.rates[int(drawn[0])]
        if rate == self.sample_rate:
            return waveform
        lower = soxr.resample(waveform, self.sample_rate, rate, quality="HQ")
        again = soxr.resample(lower, rate, self.sample_rate, quality="HQ")[: len(waveform)]
        return np.pad(again, (0, len(waveform) - len(again)))

    @property
    def on_device(self) -> bool:
        """Whether all rates are of a simple ratio to the sample rate; see `avis.augment.resampling`."""
        return all(is_simple(self.sample_rate, rate) for rate in self.rates)

    def most_drawn(self, num_samples: int) -> int:
        """Return 1."""
        return 1

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return the waveforms with other bandwidths, float32 ``[batch, samples]``."""
        result = waveforms
        for number, rate in enumerate(self.rates):
            if rate != self.sample_rate:
                lower = resample(waveforms, self.sample_rate, rate)
                again = resample(lower, rate, self.sample_rate)[:, : waveforms.shape[1]]
                again = torch.nn.functional.pad(again, (0, waveforms.shape[1] - again.shape[1]))
                result = torch.where(drawn == number, again, result)
        return result
