"""Changes that alter nothing of what is said."""

import numpy as np
import pytest
import torch
from torch import Tensor

from avis.explain.faithfulness.stability import CHANGES, Padded, stability
from avis.models.decomposition import decompose
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


def test_the_map_of_a_stable_model_stays(by_hand, voice):
    found = stability(by_hand, voice(500.0, 1), voice(500.0, 2))
    assert tuple(found) == CHANGES
    assert min(found.values()) > 0.95


def test_a_network_is_stable_in_precision_and_padding(parts):
    found = stability(Verifier(parts), (talk(1), RATE), (talk(2), RATE))
    assert found["float64"] == pytest.approx(1.0, abs=1e-3)
    assert found["padding"] == pytest.approx(1.0, abs=1e-3)


def test_a_padded_model_makes_the_same_embedding(parts):
    model = Verifier(parts).model
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 80)).astype(np.float32))
    whole, padded = decompose(model, features), decompose(Padded(model).eval(), features)
    torch.testing.assert_close(padded.embedding, whole.embedding, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded.of_frames[: len(whole.of_frames)], whole.of_frames, atol=1e-5, rtol=1e-4)
    assert not padded.of_frames[len(whole.of_frames) :].any()


def test_a_map_that_hangs_on_rounding_is_found_out(by_hand, voice):
    class Rounding(torch.nn.Module):
        def forward(self, waveform: Tensor) -> Tensor:
            levels = torch.round(1e4 * waveform[: len(waveform) // 320 * 320].reshape(-1, 320).square().mean(dim=1))
            return torch.stack([1000 + levels % 7, levels % 2], dim=1)

    by_hand.front_end = Rounding()
    found = stability(by_hand, voice(500.0, 1), voice(500.0, 2))
    assert found["noise"] < 0.9
    assert found["bfloat16"] < 0.9


def test_nothing_is_said_of_silence(by_hand, voice):
    assert stability(by_hand, voice(500.0), (np.zeros(RATE, np.float32), RATE)) == {}
