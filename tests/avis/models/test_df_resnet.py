"""Gemini DF-ResNet: sizes counted by hand, its name's layers, its strides, and the inverted bottleneck."""

import pytest
import torch
from torch import nn

from avis.models.df_resnet import GeminiDfResNet, InvertedBottleneck

DEPTHS = {60: [3, 3, 9, 3], 114: [3, 3, 27, 3], 183: [3, 8, 45, 3], 237: [3, 8, 63, 3]}


def count_by_hand(depths: list[int]) -> int:
    total, before = 9 * 32 + 2 * 32, 32
    for stage, depth in enumerate(depths):
        c = 32 * 2**stage
        total += 9 * before * c + 2 * c + depth * (2 * c * 4 * c + 9 * 4 * c + 2 * (4 * c + 4 * c + c))
        before = c
    return total + 2 * 256 * 5 * 256 + 256


@pytest.mark.parametrize("layers", DEPTHS)
def test_layers_and_parameters_are_those_of_the_name(layers: int):
    with torch.device("meta"):
        model = GeminiDfResNet(num_mels=80, channels=32, depths=DEPTHS[layers], embedding_dim=256)
    assert sum(p.numel() for p in model.parameters()) == count_by_hand(DEPTHS[layers])
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules()) == layers


@pytest.mark.parametrize(("mels", "frames", "rows", "kept"), [(80, 40, 5, 20), (72, 41, 5, 21), (24, 1, 2, 1)])
def test_mels_become_a_sixteenth_and_frames_a_half(mels: int, frames: int, rows: int, kept: int):
    model = GeminiDfResNet(num_mels=mels, channels=2, depths=[1, 1, 1, 1], embedding_dim=4).eval()
    assert model.pooled_frames(torch.randn(2, frames, mels))[0].shape == (2, 16 * rows, kept)


def test_block_is_a_depthwise_convolution_between_two_of_one_by_one():
    block = InvertedBottleneck(4).eval()
    x = torch.randn(2, 4, 6, 5)
    hidden = block.widen(x).relu()
    each = [nn.functional.conv2d(hidden[:, [c]], block.middle.conv.weight[[c]], padding=1) for c in range(16)]
    hidden = block.middle.norm(torch.cat(each, dim=1)).relu()
    torch.testing.assert_close(block(x), (block.narrow(hidden) + x).relu())


@pytest.mark.parametrize("depths", [[1, 1, 1], [1, 1, 0, 1]])
def test_other_than_four_stages_are_refused(depths: list[int]):
    with pytest.raises(ValueError, match="got depths="):
        GeminiDfResNet(num_mels=80, channels=4, depths=depths, embedding_dim=8)
