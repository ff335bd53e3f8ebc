"""TitaNet: sizes counted by hand and as published, and the blocks' wiring."""

import pytest
import torch
from torch import nn

from avis.models.titanet import SeparableConv, TitaBlock, TitaNet

PUBLISHED = {256: None, 512: 13.4, 1024: 25.3}
"""Millions of parameters of TitaNet-M and -L by their channels."""
SPEAKERS = 16681
"""Whose weights the published figures count: those of the released checkpoints."""


def count_by_hand(c: int, m: int) -> int:
    """Add up NeMo's layers for 80 mels; batch normalisation has 2 per channel."""

    def gates(width: int) -> int:
        return 2 * width * (width // 8)

    prolog = (80 * 3 + 80 * c + 2 * c) + gates(c)
    mega = sum(3 * (c * k + c * c + 2 * c) + (c * c + 2 * c) + gates(c) for k in (7, 11, 15))
    epilog = (c + c * m + 2 * m) + gates(m)
    attention = (3 * m * 128 + 128) + 2 * 128 + (128 * m + m)
    return prolog + mega + epilog + attention + 2 * 2 * m + (2 * m * 192 + 192)


@pytest.mark.parametrize(("channels", "published_m"), PUBLISHED.items())
def test_parameter_count_is_the_published_one(channels: int, published_m: float | None):
    """Koluguri et al., 2022; the 25.3 M also on NeMo's model card."""
    with torch.device("meta"):
        model = TitaNet(num_mels=80, channels=channels, epilog_channels=3072, dropout=0.1, embedding_dim=192)
    count = sum(p.numel() for p in model.parameters())
    assert count == count_by_hand(channels, 3072)
    if published_m is not None:
        assert (count + SPEAKERS * 192) / 1e6 == pytest.approx(published_m, rel=0.005)


def test_separable_convolution_is_a_factorised_one():
    """Every tap of the full convolution is the pointwise matrix times the channels' own taps."""
    torch.manual_seed(0)
    conv = SeparableConv(4, 6, kernel_size=5).eval()
    x = torch.randn(2, 4, 20)
    full = conv.pointwise.weight * conv.depthwise.weight.transpose(0, 1)
    torch.testing.assert_close(conv(x), conv.norm(nn.functional.conv1d(x, full, padding=2)))


@pytest.mark.parametrize("residual", [True, False])
def test_block_is_gated_convolutions_beside_a_projection(residual: bool):
    torch.manual_seed(0)
    block = TitaBlock(4, 16, kernel_size=3, repeat=3, residual=residual, dropout=0.5).eval()
    x = torch.randn(2, 4, 20)
    first, second, third = block.convs
    y = third(second(first(x).relu()).relu())
    y = y * block.gates(y)
    expected = y + block.projection(x) if residual else y
    torch.testing.assert_close(block(x), expected.relu())


def test_frames_are_kept():
    model = TitaNet(num_mels=20, channels=16, epilog_channels=24, dropout=0.1, embedding_dim=4).eval()
    assert model.pooled_frames(torch.randn(2, 31, 20))[0].shape == (2, 24, 31)
