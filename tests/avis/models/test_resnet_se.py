"""SE-ResNets of voxceleb_trainer: sizes counted by hand, strides, the block's wiring, and pooling by self-attention."""

import pytest
import torch
from torch import nn

from avis.models.pooling import SelfAttentivePooling
from avis.models.resnet_se import ResNetSe34L, ResNetSe34V2, SeBasicBlock


def count_stages_by_hand(c: int, *, projected: tuple[int, ...]) -> int:
    """Add up blocks of two 3x3 convolutions and gates with an eighth of the width; ``projected`` stages begin 1x1."""
    total, before = 0, c
    for stage, depth in enumerate((3, 4, 6, 3)):
        c = before if stage == 0 else 2 * before
        for index in range(depth):
            first = before if index == 0 else c
            total += 9 * first * c + 9 * c * c + 4 * c + (c * c // 8 + c // 8) + (c // 8 * c + c)
        total += before * c + 2 * c if stage in projected else 0
        before = c
    return total


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_count_of_the_fast_model():
    with torch.device("meta"):
        model = ResNetSe34L(num_mels=40, channels=16, embedding_dim=512)
    first, pooling = 49 * 16 + 2 * 16, 128 * 128 + 128 + 128
    assert count(model) == first + count_stages_by_hand(16, projected=(1, 2, 3)) + pooling + 128 * 512 + 512


def test_parameter_count_of_the_performance_model():
    with torch.device("meta"):
        model = ResNetSe34V2(num_mels=64, channels=32, embedding_dim=512)
    first, width = 9 * 32 + 32 + 2 * 32, 256 * 8
    pooling = (width * 128 + 128) + 2 * 128 + (128 * width + width)
    assert count(model) == first + count_stages_by_hand(32, projected=(1, 2, 3)) + pooling + 2 * width * 512 + 512


def test_the_fast_model_keeps_a_quarter_of_the_frames_and_averages_mels():
    model = ResNetSe34L(num_mels=40, channels=8, embedding_dim=4).eval()
    seen = []
    model.stages.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape)))
    model.pooling.register_forward_hook(lambda _module, inputs, _output: seen.append(tuple(inputs[0].shape)))
    model(torch.randn(2, 41, 40))
    assert seen == [(2, 64, 5, 11), (2, 64, 11)]


def test_block_rectifies_before_its_first_norm_and_gates_what_it_adds():
    torch.manual_seed(0)
    block = SeBasicBlock(8, 8, stride=(1, 1)).eval()
    x = torch.randn(2, 8, 6, 5)
    y = block.second(block.first.norm(block.first.conv(x).relu()))
    squeezed = (y.mean(dim=(2, 3)) @ block.gates.squeeze.weight.T + block.gates.squeeze.bias).relu()
    gates = torch.sigmoid(squeezed @ block.gates.excite.weight.T + block.gates.excite.bias)
    torch.testing.assert_close(block(x), (x + y * gates[:, :, None, None]).relu())


def test_self_attentive_pooling_is_the_papers_frame_by_frame():
    """Literally: h_t = tanh(W x_t + b), w = softmax over t of h_t . u, and the mean weighted by w."""
    torch.manual_seed(0)
    pooling = SelfAttentivePooling(6)
    x = torch.randn(3, 6, 20)
    matrix, vector = pooling.frame.weight[:, :, 0], pooling.attention.weight[0, :, 0]
    for row, pooled in zip(x, pooling(x), strict=True):
        logits = torch.stack([torch.tanh(matrix @ frame + pooling.frame.bias) @ vector for frame in row.T])
        torch.testing.assert_close(pooled, row @ logits.softmax(dim=0))


@pytest.mark.parametrize("num_frames", [1, 7, 20])
def test_self_attentive_pooling_leaves_padding_out(num_frames: int):
    pooling, x = SelfAttentivePooling(6), torch.randn(1, 6, 20)
    torch.testing.assert_close(pooling(x, torch.tensor([num_frames])), pooling(x[:, :, :num_frames]))
