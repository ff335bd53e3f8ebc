"""MFA-Conformer: sizes counted by hand, the subsampling, and what is aggregated."""

import pytest
import torch

from avis.models.mfa_conformer import MfaConformer, Subsampling

PUBLISHED = {"channels": 256, "num_blocks": 6, "num_heads": 4, "hidden_channels": 2048, "kernel_size": 15}
SMALL = {"channels": 8, "num_blocks": 3, "num_heads": 2, "hidden_channels": 16, "kernel_size": 5}


@pytest.fixture
def model() -> MfaConformer:
    torch.manual_seed(0)
    return MfaConformer(num_mels=24, dropout=0.1, embedding_dim=4, **SMALL).eval()


def test_parameter_count_of_the_published_code():
    """conv2d2, six blocks of WeNet's encoder, SpeechBrain's pooling, batch normalisation and a linear layer."""
    d, hidden, kernel, aggregated = 256, 2048, 15, 6 * 256
    feed_forward = (d * hidden + hidden) + (hidden * d + d)
    attention = 4 * (d * d + d) + d * d + 2 * d
    convolution = (d * 2 * d + 2 * d) + (d * kernel + d) + 2 * d + (d * d + d)
    block = 2 * feed_forward + attention + convolution + 5 * 2 * d
    subsampling = (9 * d + d) + (d * 39 * d + d)
    pooling = (3 * aggregated * 128 + 128) + 2 * 128 + (128 * aggregated + aggregated)
    head = 2 * aggregated + pooling + 2 * 2 * aggregated + (2 * aggregated * 192 + 192)
    with torch.device("meta"):
        model = MfaConformer(num_mels=80, dropout=0.1, embedding_dim=192, **PUBLISHED)
    assert sum(p.numel() for p in model.parameters()) == subsampling + 6 * block + head == 19_759_424


@pytest.mark.parametrize(("frames", "kept"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (200, 99), (201, 100)])
def test_subsampling_keeps_half_the_frames(frames: int, kept: int):
    assert Subsampling(24, 4)(torch.randn(2, frames, 24)).shape == (2, kept, 4)


def test_all_blocks_outputs_are_normalised_together_and_pooled(model: MfaConformer):
    outputs: list[torch.Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    frames = model.pooled_frames(torch.randn(2, 41, 24))[0]
    assert frames.shape == (2, 3 * 8, 20)
    torch.testing.assert_close(frames, model.norm(torch.cat(outputs, dim=2)).transpose(1, 2))


def test_without_positions_when_something_is_said_does_not_matter(model: MfaConformer):
    """The only part that knows where a frame is, beside the ends, is the projection of positions."""
    model.double()
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.position.weight)

    def said_at(start: int) -> torch.Tensor:
        features = torch.zeros(1, 201, 24, dtype=torch.float64)
        features[0, start : start + 30] = speech
        return model(features)

    speech = torch.randn(30, 24, dtype=torch.float64)
    torch.testing.assert_close(said_at(80), said_at(90), rtol=1e-9, atol=1e-9)


def test_two_minutes_fit(model: MfaConformer):
    with torch.inference_mode():
        assert model(torch.randn(1, 12_001, 24)).isfinite().all()
