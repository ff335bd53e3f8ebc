"""Overdrive the recorder."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.ranges import check_range, check_within
from avis.augment.transform import BatchTransform


class Clipping(BatchTransform):
    """Clip a random share of the samples, the loudest.

    The level isn't raised again. Digital silence doesn't count among the samples.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    min_clipped_share, max_clipped_share : float
        The share of the samples that the clipping changes is drawn uniformly between these, 0 and 0.5 at the widest.
    """

    def __init__(self, *, probability: float, min_clipped_share: float, max_clipped_share: float) -> None:
        check_range(min_clipped_share, max_clipped_share, name="clipped_share", unit="of the samples", floor=0.0)
        check_within(max_clipped_share, 0, 0.5, name="max_clipped_share", unit="of the samples")
        self.probability = probability
        self.min_clipped_share = min_clipped_share
        self.max_clipped_share = max_clipped_share

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the share of the samples."""
        return [rng.uniform(self.min_clipped_share, self.max_clipped_share)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the clipped waveform, float32 ``[samples]``."""
        levels = np.abs(waveform[waveform != 0])
        if not len(levels):
            return waveform
        threshold = np.quantile(levels, 1 - drawn[0])
        return np.clip(waveform, -threshold, threshold)

    def most_drawn(self, num_samples: int) -> int:
        """Return 1."""
        return 1

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return the clipped waveforms, float32 ``[batch, samples]``."""
        levels = waveforms.abs().sort(dim=1).values
        num_silent = (levels == 0).sum(dim=1, keepdim=True)
        place = (num_silent + (waveforms.shape[1] - 1 - num_silent) * (1 - drawn)).clamp(0, waveforms.shape[1] - 1)
        below, above = levels.gather(1, place.floor().long()), levels.gather(1, place.ceil().long())
        threshold = torch.lerp(below, above, place.frac().float())
        return waveforms.clamp(-threshold, threshold)
