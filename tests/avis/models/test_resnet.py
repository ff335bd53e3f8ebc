"""ResNet r-vector: sizes counted by hand, shapes of the stages, and the residual blocks' wiring."""

import pytest
import torch
from torch import nn

from avis.models.pooling import StatisticsPooling
from avis.models.residual import BasicBlock, Bottleneck
from avis.models.resnet import ResNet

DEPTHS = {
    "ResNet18": ([2, 2, 2, 2], False),
    "ResNet34": ([3, 4, 6, 3], False),
    "ResNet50": ([3, 4, 6, 3], True),
    "ResNet101": ([3, 4, 23, 3], True),
    "ResNet152": ([3, 8, 36, 3], True),
    "ResNet221": ([6, 16, 48, 3], True),
    "ResNet293": ([10, 20, 64, 3], True),
}


def count_by_hand(depths: list[int], bottleneck: bool) -> int:
    """Add up weights layer by layer; each batch normalisation has 2 per channel."""
    total, before = 1 * 32 * 9 + 2 * 32, 32
    for stage, depth in enumerate(depths):
        c = 32 * 2**stage
        after = 4 * c if bottleneck else c
        for index in range(depth):
            if bottleneck:
                total += before * c + 9 * c * c + c * after + 2 * (c + c + after)
            else:
                total += 9 * before * c + 9 * c * c + 2 * (c + c)
            if index == 0 and (stage > 0 or before != after):
                total += before * after + 2 * after
            before = after
    return total + 2 * (before * 80 // 8) * 256 + 256


@pytest.mark.parametrize("name", DEPTHS)
def test_layers_and_parameters_are_those_of_the_name(name: str):
    """A ResNet is called after its convolutions in sequence (shortcuts apart) and its one linear layer."""
    depths, bottleneck = DEPTHS[name]
    with torch.device("meta"):
        model = ResNet(
            num_mels=80, pooling=StatisticsPooling, channels=32, depths=depths, bottleneck=bottleneck, embedding_dim=256
        )
    assert sum(p.numel() for p in model.parameters()) == count_by_hand(depths, bottleneck)
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n]
    assert f"ResNet{len(layers)}" == name


def test_three_stages_halve_mels_and_frames():
    model = ResNet(
        num_mels=80, pooling=StatisticsPooling, channels=4, depths=[1, 2, 1, 1], bottleneck=False, embedding_dim=8
    ).eval()
    shapes = []
    for block in (block for stage in model.trunk.stages for block in stage):
        block.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    frames = model.trunk(torch.randn(2, 61, 80))
    assert shapes == [(4, 80, 61), (8, 40, 31), (8, 40, 31), (16, 20, 16), (32, 10, 8)]
    assert frames.shape == (2, 32 * 10, 8)


@pytest.mark.parametrize("num_mels", [40, 72, 75, 80])
def test_any_number_of_mels(num_mels: int):
    model = ResNet(
        num_mels=num_mels, pooling=StatisticsPooling, channels=4, depths=[1, 1, 1, 1], bottleneck=False, embedding_dim=8
    )
    assert model(torch.randn(2, 30, num_mels)).shape == (2, 8)


@pytest.mark.parametrize("block", [BasicBlock(8, 8, stride=(1, 1)), Bottleneck(32, 8, stride=(1, 1))], ids=["2", "3"])
def test_block_without_a_residual_is_the_rectified_input(block: nn.Module):
    last = block.second if isinstance(block, BasicBlock) else block.widen
    nn.init.zeros_(last.norm.weight)
    x = torch.randn(2, 8 * block.expansion, 10, 12)
    torch.testing.assert_close(block(x), x.relu())


def test_basic_block_is_two_normalised_convolutions_beside_a_projection():
    block = BasicBlock(4, 8, stride=(2, 1)).eval()
    x = torch.randn(2, 4, 10, 12)
    branch = block.second.norm(block.second.conv(block.first.norm(block.first.conv(x)).relu()))
    weight, norm = block.shortcut.conv.weight, block.shortcut.norm
    projected = nn.functional.conv2d(x, weight, stride=(2, 1)) / (1 + norm.eps) ** 0.5
    torch.testing.assert_close(block(x), (branch + projected).relu())


def test_bottleneck_strides_its_middle_convolution():
    strides = [m.stride for m in Bottleneck(4, 8, stride=(2, 2)).modules() if isinstance(m, nn.Conv2d)]
    assert strides == [(1, 1), (2, 2), (1, 1), (2, 2)]


@pytest.mark.parametrize("depths", [[1, 1, 1], [1, 1, 0, 1]])
def test_other_than_four_stages_are_refused(depths: list[int]):
    with pytest.raises(ValueError, match="got depths="):
        ResNet(num_mels=80, pooling=StatisticsPooling, channels=4, depths=depths, bottleneck=False, embedding_dim=8)
