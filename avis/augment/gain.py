"""Speak louder or quieter."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.augment.ranges import check_range


class Gain:
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

    bank: ClassVar[str | None] = None

    def __init__(self, *, probability: float, min_gain_db: float, max_gain_db: float) -> None:
        check_range(min_gain_db, max_gain_db, name="gain_db", unit="dB", floor=-np.inf)
        self.probability = probability
        self.min_gain_db = min_gain_db
        self.max_gain_db = max_gain_db

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the waveform at another level, float32 ``[samples]``."""
        return waveform * np.float32(10 ** (rng.uniform(self.min_gain_db, self.max_gain_db) / 20))
