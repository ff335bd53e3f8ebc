"""Speak faster or slower at the same pitch."""

import numpy as np
from numpy.typing import NDArray

from avis.audio.crop import tile
from avis.augment.ranges import check_range
from avis.augment.stretching import change_tempo
from avis.augment.transform import Transform


class Tempo(Transform):
    """Change the tempo by a random factor; the pitch and the timbre stay, and so does who is speaking.

    The length is kept: what gets longer is cut at its end, what gets shorter is repeated from its beginning. So this is
    the one transform whose output is aligned with its input at the first sample alone.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    min_factor, max_factor : float
        The factor is drawn uniformly between these; above 1 is faster.
    """

    def __init__(self, *, probability: float, sample_rate: int, min_factor: float, max_factor: float) -> None:
        check_range(min_factor, max_factor, name="factor", unit="times", floor=0.25)
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_factor = min_factor
        self.max_factor = max_factor

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the factor."""
        return [rng.uniform(self.min_factor, self.max_factor)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the waveform at another tempo, float32 ``[samples]``."""
        return tile(change_tempo(waveform, drawn[0], sample_rate=self.sample_rate), len(waveform))
