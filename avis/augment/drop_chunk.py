"""Silence stretches of time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.ranges import check_range
from avis.augment.transform import BatchTransform


class DropChunk(BatchTransform):
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

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return of each stretch where it begins and how many samples it has."""
        drawn: list[float] = []
        for _ in range(rng.integers(self.min_chunks, self.max_chunks, endpoint=True)):
            wanted = round(rng.uniform(self.min_chunk_ms, self.max_chunk_ms) / 1000 * self.sample_rate)
            num = min(wanted, num_samples)
            drawn += [int(rng.integers(num_samples - num, endpoint=True)), num]
        return drawn

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return a copy with silent stretches, float32 ``[samples]``."""
        dropped = waveform.copy()
        for start, num in zip(drawn[::2], drawn[1::2], strict=True):
            dropped[int(start) : int(start + num)] = 0
        return dropped

    def most_drawn(self, num_samples: int) -> int:
        """Return room for the most stretches."""
        return 2 * self.max_chunks

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return copies with silent stretches, float32 ``[batch, samples]``."""
        dropped = torch.zeros_like(waveforms, dtype=torch.bool)
        places = torch.arange(waveforms.shape[1], device=waveforms.device)
        for start, num in zip(drawn[:, ::2].T, drawn[:, 1::2].T, strict=True):
            dropped |= (places >= start[:, None]) & (places < (start + num)[:, None])
        return waveforms.masked_fill(dropped, 0.0)
