"""Take bands of frequency away."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve
from torch import Tensor

from avis.augment.filtering import convolve
from avis.augment.ranges import check_range, check_within
from avis.augment.transform import BatchTransform

NUM_TAPS = 401
"""Odd, so that the filter has a middle. A band's edges are 5.5 / NUM_TAPS of the sample rate wide (Blackman window)."""


class DropFreq(BatchTransform):
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

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the lower edge of each band, in Hz."""
        num_bands = rng.integers(self.min_bands, self.max_bands, endpoint=True)
        return [rng.uniform(1.0, self.sample_rate / 2 - self.width_hz - 1.0) for _ in range(num_bands)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the waveform without the bands, float32 ``[samples]``."""
        for low in drawn:
            edges = [low, low + self.width_hz]
            taps = firwin(NUM_TAPS, edges, window="blackman", pass_zero="bandstop", fs=self.sample_rate)
            delay = NUM_TAPS // 2
            waveform = oaconvolve(waveform, taps.astype(np.float32))[delay : delay + len(waveform)]
        return waveform

    def most_drawn(self, num_samples: int) -> int:
        """Return the most bands."""
        return self.max_bands

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return the waveforms without the bands, float32 ``[batch, samples]``."""
        for low in drawn.T:
            filtered = convolve(waveforms, self._filters(low.nan_to_num(0)).float(), NUM_TAPS // 2)
            waveforms = torch.where(low.isnan()[:, None], waveforms, filtered)
        return waveforms

    def _filters(self, low: Tensor) -> Tensor:
        """Return what `scipy.signal.firwin` gives for each lower edge, ``[batch, NUM_TAPS]``."""
        edges = torch.stack([low, low + self.width_hz], dim=1)[:, :, None] / (self.sample_rate / 2)
        places = torch.arange(NUM_TAPS, device=low.device, dtype=torch.float64) - NUM_TAPS // 2
        below, above = (edges * torch.sinc(edges * places)).unbind(dim=1)
        window = torch.signal.windows.blackman(NUM_TAPS, device=low.device, dtype=torch.float64)
        taps = (below + torch.sinc(places) - above) * window
        return taps / taps.sum(dim=1, keepdim=True)
