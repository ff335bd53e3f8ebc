"""Speak higher or lower at the same tempo."""

import numpy as np
import soxr
from numpy.typing import NDArray

from avis.augment.ranges import check_range
from avis.augment.stretching import change_tempo
from avis.augment.transform import Transform


class PitchShift(Transform):
    """Shift the pitch, and the formants with it, by a random interval; the duration stays.

    Formants that move make another vocal tract of it: beyond a semitone or two the voice is hardly the speaker's.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    min_semitones, max_semitones : float
        The interval is drawn uniformly between these, -12 and 12 at the widest.
    """

    def __init__(self, *, probability: float, sample_rate: int, min_semitones: float, max_semitones: float) -> None:
        check_range(min_semitones, max_semitones, name="semitones", unit="semitones", floor=-12)
        check_range(max_semitones, 12, name="semitones", unit="semitones", floor=-12)
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_semitones = min_semitones
        self.max_semitones = max_semitones

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the interval in semitones."""
        return [rng.uniform(self.min_semitones, self.max_semitones)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the waveform at another pitch, float32 ``[samples]``."""
        factor = 2 ** (drawn[0] / 12)
        if factor == 1:
            return waveform
        slowed = change_tempo(waveform, 1 / factor, sample_rate=self.sample_rate)
        shifted = soxr.resample(slowed, in_rate=factor, out_rate=1.0)[: len(waveform)]
        return np.pad(shifted, (0, len(waveform) - len(shifted)))
