"""Speak higher or lower at the same tempo."""

from typing import ClassVar

import numpy as np
import soxr
from numpy.typing import NDArray

from avis.augment.ranges import check_range
from avis.augment.stretching import change_tempo


class PitchShift:
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

    bank: ClassVar[str | None] = None

    def __init__(self, *, probability: float, sample_rate: int, min_semitones: float, max_semitones: float) -> None:
        check_range(min_semitones, max_semitones, name="semitones", unit="semitones", floor=-12)
        check_range(max_semitones, 12, name="semitones", unit="semitones", floor=-12)
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_semitones = min_semitones
        self.max_semitones = max_semitones

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the waveform at another pitch, float32 ``[samples]``."""
        factor = 2 ** (rng.uniform(self.min_semitones, self.max_semitones) / 12)
        if factor == 1:
            return waveform
        slowed = change_tempo(waveform, 1 / factor, sample_rate=self.sample_rate)
        shifted = soxr.resample(slowed, in_rate=factor, out_rate=1.0)[: len(waveform)]
        return np.pad(shifted, (0, len(waveform) - len(shifted)))
