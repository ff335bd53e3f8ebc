import numpy as np
import pytest
import torch


def _speech_like(num_samples, seed=0, sample_rate=16000):
    """Harmonics that decay, come and go, over a little noise and an offset."""
    rng = np.random.default_rng(seed)
    t = np.arange(num_samples) / sample_rate
    voice = sum(np.sin(2 * np.pi * 130 * k * t) / k**1.5 for k in range(1, 20))
    voice *= 0.1 * (1 + np.sin(2 * np.pi * 3 * t))
    return torch.from_numpy((voice + 0.003 * rng.standard_normal(num_samples) + 0.01).astype(np.float32))


@pytest.fixture(scope="session")
def speech_like():
    return _speech_like
