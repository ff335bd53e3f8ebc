"""Overdrive the recorder."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.augment.ranges import check_range, check_within


class Clipping:
    """Clip a random share of the samples, the loudest.

    The level isn't raised again. Digital silence doesn't count among the samples.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    min_clipped_share, max_clipped_share : float
        The share of the samples that the clipping changes is drawn uniformly between these, 0 and 0.5 at the widest.
    """

    bank: ClassVar[str | None] = None

    def __init__(self, *, probability: float, min_clipped_share: float, max_clipped_share: float) -> None:
        check_range(min_clipped_share, max_clipped_share, name="clipped_share", unit="of the samples", floor=0.0)
        check_within(max_clipped_share, 0, 0.5, name="max_clipped_share", unit="of the samples")
        self.probability = probability
        self.min_clipped_share = min_clipped_share
        self.max_clipped_share = max_clipped_share

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the clipped waveform, float32 ``[samples]``."""
        share = rng.uniform(self.min_clipped_share, self.max_clipped_share)
        levels = np.abs(waveform[waveform != 0])
        if not len(levels):
            return waveform
        threshold = np.quantile(levels, 1 - share)
        return np.clip(waveform, -threshold, threshold)
