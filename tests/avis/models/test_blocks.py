"""The shared blocks against formulas written out with functional operations."""

import pytest
import torch
from torch.nn import functional

from avis.models.blocks import Res2Block, SqueezeExcitation, TdnnBlock


def test_tdnn_block_is_convolution_then_relu_then_norm():
    """Hand computation: taps 1, 1, 1 over 1..5 with zeros outside, minus 7, rectified, then (x - 2) / 2 + 10."""
    block = TdnnBlock(1, 1, kernel_size=3).eval()
    with torch.no_grad():
        block.conv.weight.fill_(1.0)
        block.conv.bias.fill_(-7.0)
        block.norm.running_mean.fill_(2.0)
        block.norm.running_var.fill_(4.0 - block.norm.eps)
        block.norm.bias.fill_(10.0)
        y = block(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]]))
    # sums 3 6 9 12 9, minus 7: -4 -1 2 5 2, rectified: 0 0 2 5 2
    torch.testing.assert_close(y, torch.tensor([[[9.0, 9.0, 10.0, 11.5, 10.0]]]))


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 4), (5, 1), (5, 3)])
@pytest.mark.parametrize("frames", [1, 2, 31])
def test_tdnn_block_keeps_the_number_of_frames(kernel_size: int, dilation: int, frames: int):
    block = TdnnBlock(2, 3, kernel_size=kernel_size, dilation=dilation).eval()
    assert block(torch.randn(2, 2, frames)).shape == (2, 3, frames)


@pytest.mark.parametrize(("frames", "expected"), [(1, 1), (2, 1), (3, 2), (30, 15), (31, 16)])
def test_tdnn_block_with_stride_two_keeps_every_other_frame(frames: int, expected: int):
    torch.manual_seed(0)
    block = TdnnBlock(2, 3, kernel_size=5, stride=2).eval()
    every = TdnnBlock(2, 3, kernel_size=5).eval()
    every.load_state_dict(block.state_dict())
    x = torch.randn(2, 2, frames)
    y = block(x)
    assert y.shape == (2, 3, expected)
    torch.testing.assert_close(y, every(x)[:, :, ::2])


def test_res2_block_follows_its_equation():
    torch.manual_seed(0)
    block = Res2Block(12, kernel_size=3, dilation=2, scale=4).eval()
    x = torch.randn(2, 12, 9)

    def convolve(group: TdnnBlock, part: torch.Tensor) -> torch.Tensor:
        y = functional.relu(functional.conv1d(part, group.conv.weight, group.conv.bias, padding=2, dilation=2))
        return y / (1 + group.norm.eps) ** 0.5

    y1 = x[:, 0:3]
    y2 = convolve(block.groups[0], x[:, 3:6])
    y3 = convolve(block.groups[1], x[:, 6:9] + y2)
    y4 = convolve(block.groups[2], x[:, 9:12] + y3)
    torch.testing.assert_close(block(x), torch.cat([y1, y2, y3, y4], dim=1))


def test_res2_block_receptive_fields_grow_by_one_kernel_per_group():
    """Group ``i`` sees ``i`` dilated kernels: 0, 2, 4, 6 frames to each side for dilation 2."""
    block = Res2Block(8, kernel_size=3, dilation=2, scale=4).eval()
    for parameter in block.parameters():
        torch.nn.init.ones_(parameter)
    reaches = []
    for group in range(4):
        x = torch.zeros(1, 8, 41, requires_grad=True)
        block(x)[:, 2 * group : 2 * group + 2, 20].sum().backward()
        frames = x.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
        reaches.append(int((frames - 20).abs().max()))
    assert reaches == [0, 2, 4, 6]


@pytest.mark.parametrize(("channels", "scale"), [(10, 4), (8, 1)])
def test_res2_block_refuses_unequal_groups(channels: int, scale: int):
    with pytest.raises(ValueError, match=rf"got channels={channels} with scale={scale}"):
        Res2Block(channels, kernel_size=3, dilation=1, scale=scale)


def test_gates_depend_on_channel_means_only():
    torch.manual_seed(0)
    gates = SqueezeExcitation(6, se_channels=3)
    x = torch.randn(2, 6, 10)
    y = gates(x)
    assert y.shape == (2, 6, 1)
    assert ((y > 0) & (y < 1)).all()
    torch.testing.assert_close(gates(x[:, :, torch.randperm(10)]), y)
    torch.testing.assert_close(gates(x.mean(dim=2, keepdim=True)), y)
    by_hand = gates.excite.weight @ (gates.squeeze.weight @ x[0].mean(1) + gates.squeeze.bias).clamp(min=0)
    torch.testing.assert_close(y[0, :, 0], 1 / (1 + (-by_hand - gates.excite.bias).exp()))
