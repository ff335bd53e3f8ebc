"""Speak louder or quieter."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.ranges import check_range
from avis.augment.transform import BatchTransform


class Gain(BatchTransform):
    """Change the level by a random gain. The result may leave [-1, 1].

    Features that normalise the mean of log energies don't notice; it counts before steps that depend on the level, as
    coding and clipping at full scale do.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    min_gain_db, max_gain_db : float
        The gain is drawn uniformly between these.
    """

    def __init__(self, *, probability: float, min_gain_db: float, max_gain_db: float) -> None:
        check_range(min_gain_db, max_gain_db, name="gain_db", unit="dB", floor=-np.inf)
        self.probability = probability
        self.min_gain_db = min_gain_db
        self.max_gain_db = max_gain_db

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the gain in dB."""
        return [rng.uniform(self.min_gain_db, self.max_gain_db)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the waveform at another level, float32 ``[samples]``."""
        return waveform * np.float32(10 ** (drawn[0] / 20))

    def most_drawn(self, num_samples: int) -> int:
        """Return 1."""
        return 1

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return the waveforms at other levels, float32 ``[batch, samples]``."""
        return waveforms * (10 ** (drawn / 20)).float()
