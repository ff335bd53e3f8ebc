"""Silence stretches of time."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.augment.ranges import check_range


class DropChunk:
    """Put zeros in place of a random number of stretches. They may overlap.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    min_chunks, max_chunks : int
        The number of stretches is drawn uniformly between these, both included.
    min_chunk_ms, max_chunk_ms : float
        The length of each is drawn uniformly between these.

    References
    ----------
    M. Ravanelli et al., "SpeechBrain: a general-purpose speech toolkit", 2021; https://arxiv.org/abs/2106.04624 (its
    ``DropChunk``: a time-domain approximation of SpecAugment's time masks).
    """

    bank: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        probability: float,
        sample_rate: int,
        min_chunks: int,
        max_chunks: int,
        min_chunk_ms: float,
        max_chunk_ms: float,
    ) -> None:
        check_range(min_chunks, max_chunks, name="chunks", unit="chunks", floor=0)
        check_range(min_chunk_ms, max_chunk_ms, name="chunk_ms", unit="ms", floor=0.0)
        self.probability = probability
        self.sample_rate = sample_rate
        self.min_chunks = min_chunks
        self.max_chunks = max_chunks
        self.min_chunk_ms = min_chunk_ms
        self.max_chunk_ms = max_chunk_ms

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a copy with silent stretches, float32 ``[samples]``."""
        dropped = waveform.copy()
        for _ in range(rng.integers(self.min_chunks, self.max_chunks, endpoint=True)):
            wanted = round(rng.uniform(self.min_chunk_ms, self.max_chunk_ms) / 1000 * self.sample_rate)
            num_samples = min(wanted, len(waveform))
            start = int(rng.integers(len(waveform) - num_samples, endpoint=True))
            dropped[start : start + num_samples] = 0
        return dropped
