"""A verifier by hand: voices are tones below and above 1 kHz, an embedding is the mean level of either band."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avis.models.pooled import PooledModel
from avis.models.pooling import MeanPooling
from avis.verifier import Verifier
from tests.avis.conftest import RATE

FRAME = RATE // 50
LOW_HZ, HIGH_HZ = 500.0, 2000.0


class Bands(nn.Module):
    """The power of frames of 20 ms below and above 1 kHz, of full scale: float32 ``[frames, 2]``."""

    def forward(self, waveform: Tensor) -> Tensor:
        frames = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME)
        power = torch.fft.rfft(frames * torch.hann_window(FRAME)).abs().square() / FRAME
        edge = round(1000 * FRAME / RATE)
        return torch.stack([power[:, :edge].sum(dim=1), power[:, edge:].sum(dim=1)], dim=1)


class MeanOfBands(PooledModel):
    """A model whose map is known: what a frame contributes is its level in the band of the enrolled voice."""

    def __init__(self) -> None:
        super().__init__()
        self.pooling, self.embedding, self.embedding_dim = MeanPooling(2), nn.Linear(2, 2, bias=False), 2
        with torch.no_grad():
            self.embedding.weight.copy_(torch.eye(2))

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return features.transpose(1, 2), num_frames


@pytest.fixture
def by_hand(parts) -> Verifier:
    """Return a verifier, calibrated on made-up scores, that hears the level of two bands."""
    verifier = Verifier(parts)
    verifier.front_end, verifier.model, verifier.dim = Bands(), MeanOfBands().eval(), 2
    return verifier


@pytest.fixture
def voice() -> Callable[..., tuple[np.ndarray, int]]:
    """Return what makes recordings of a tone over a little noise, louder and softer in turns."""

    def made(hz: float, seed: int = 0, duration_s: float = 3.0) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng(seed)
        time_s = np.arange(round(duration_s * RATE)) / RATE
        level = 0.2 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * time_s + rng.uniform(0, 6))
        samples = level * np.sin(2 * np.pi * hz * time_s) + 0.001 * rng.normal(size=len(time_s))
        return samples.astype(np.float32), RATE

    return made
