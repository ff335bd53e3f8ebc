"""Speak faster or slower at the same pitch."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.audio.crop import tile
from avis.augment.ranges import check_range
from avis.augment.stretching import change_tempo


class Tempo:
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

    bank: ClassVar[str | None] = None

    def __init__(self, *, probability: float, sample_rate: int, min_factor: float, max_factor: float) -> None:
        check_range(min_factor, max_factor, name="factor", unit="times", floor=0.25)
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_factor = min_factor
        self.max_factor = max_factor

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the waveform at another tempo, float32 ``[samples]``."""
        factor = rng.uniform(self.min_factor, self.max_factor)
        return tile(change_tempo(waveform, factor, sample_rate=self.sample_rate), len(waveform))
