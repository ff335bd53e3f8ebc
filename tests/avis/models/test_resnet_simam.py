"""SimAM-ResNet: the weights as the paper writes them, their symmetries, and what they are applied to."""

import pytest
import torch

from avis.models.pooling import StatisticsPooling
from avis.models.resnet import ResNet
from avis.models.resnet_simam import SimAmBlock, SimAmResNet, simam_weights


def test_weights_are_the_papers_value_by_value():
    """Literally: sigmoid of ((t - mean)^2 + 2 var + 2 lambda) / (4 (var + lambda)), var with divisor M - 1."""
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    for b in range(2):
        for c in range(3):
            values = x[b, c]
            variance = ((values - values.mean()) ** 2).sum() / (4 * 5 - 1)
            inverse = ((values - values.mean()) ** 2 + 2 * variance + 2e-4) / (4 * (variance + 1e-4))
            torch.testing.assert_close(simam_weights(x)[b, c], torch.sigmoid(inverse))


def test_a_constant_channel_has_equal_weights_and_an_outlier_the_largest():
    x = torch.ones(1, 2, 4, 5)
    x[0, 1, 2, 3] = 9.0
    weights = simam_weights(x)
    torch.testing.assert_close(weights[0, 0], torch.sigmoid(torch.full((4, 5), 0.5)))
    assert weights[0, 1].argmax() == 2 * 5 + 3


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_padding_has_no_say(num_frames: int):
    x = torch.randn(1, 3, 4, 8)
    padded = simam_weights(x, torch.tensor([num_frames]))[:, :, :, :num_frames]
    torch.testing.assert_close(padded, simam_weights(x[:, :, :, :num_frames]))


def test_only_what_is_added_to_the_shortcut_is_weighed():
    block = SimAmBlock(4, 4, stride=(1, 1)).eval()
    x = torch.randn(2, 4, 6, 5)
    y = block.second(block.first(x).relu())
    torch.testing.assert_close(block(x), (x + y * simam_weights(y)).relu())


def test_attention_in_the_blocks_has_no_parameters():
    with torch.device("meta"):
        plain = ResNet(
            num_mels=80,
            pooling=StatisticsPooling,
            channels=64,
            depths=[3, 4, 6, 3],
            bottleneck=False,
            embedding_dim=256,
        )
        model = SimAmResNet(num_mels=80, channels=64, depths=[3, 4, 6, 3], embedding_dim=256)
    width = 512 * 10
    pooling = (width * 128 + 128) + 2 * 128 + (128 * width + width)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.parameters()) + pooling
