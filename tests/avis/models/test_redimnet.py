"""ReDimNet: the sizes of released checkpoints, blocks counted by hand, and how maps are reshaped and summed."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from avis.models.redimnet import Aggregation, ReDimNet, ReDimStage
from avis.models.redimnet_blocks import ChannelNorm, TimeContext

FEATURE_CONSTANTS = 257 * 72 + 400 + 2 + 1
"""In checkpoints besides the model: a filter bank, a window, a pre-emphasis filter, and the weight of a single map."""
SIZES = {
    "num_mels": 12,
    "channels": 4,
    "stages": [[1, 1, 1, 0], [2, 1, 2, 0], [3, 1, 1, 4]],
    "block": "resnet",
    "group_size": 2,
    "context": True,
    "embedding_dim": 6,
}


def stored_values(model: nn.Module) -> int:
    return sum(value.numel() for value in model.state_dict().values()) + FEATURE_CONSTANTS


@pytest.mark.slow
def test_b5_has_as_many_values_as_the_released_checkpoint(build_choice: Callable[..., nn.Module]):
    """b5-vox2-ft_lm.pt: 7,709,351; the paper's table has another size than the model that was released."""
    assert stored_values(build_choice("redimnet_b5", num_mels=72)) == 7_709_351


def test_b2_fills_the_released_checkpoint(build_choice: Callable[..., nn.Module]):
    """b2-vox2-ft_lm.pt has 20,582,650 bytes, of which b5's file leaves 1 % for names and shapes."""
    assert 4 * stored_values(build_choice("redimnet_b2", num_mels=72)) == pytest.approx(20_582_650, rel=0.01)


@pytest.mark.parametrize(("block", "group_size"), [("convnext", 4), ("resnet", 2), ("gated_resnet", 8)])
def test_parameter_count_of_a_stage(block: str, group_size: int):
    """From 8 channels of 12 mels to 16 of 6, in blocks of 32, and a view along time in 96 / 8 = 12 channels."""
    sizes = {"stride": 2, "depth": 3, "expansion": 2, "reduction": 8}
    stage = ReDimStage(8, 12, **sizes, block=block, group_size=group_size)
    grouped, mixed = 9 * 32 * group_size, 32 * 32 + 32
    gates = 6 * 32 + 32 + 32 * 6 + 6
    each = {
        "convnext": grouped + 32 + 2 * 32 + mixed,
        "resnet": 2 * (grouped + mixed + 2 * 32),
        "gated_resnet": 2 * (grouped + mixed + 2 * 32) + gates,
    }[block]
    resized = 2 * 8 * 32 + 32
    compressed = 9 * 16 * 2 * group_size + 16 + 2 * 16 + 16 * 16 + 16
    h = 12
    convs = sum(h * kernel + h + 2 * h + h * h + h for kernel in (7, 19, 31, 59))
    attention = 4 * (h * h + h) + 2 * (h * h + h) + 2 * 2 * h
    context = 96 * h + h + 2 * h + convs + attention + h * 96 + 96
    assert sum(p.numel() for p in stage.parameters()) == resized + 3 * each + compressed + context


def test_maps_are_reshaped_mel_by_mel():
    """Channels of the lowest mel come first: what a stage's convolution over two mels sees."""
    sizes = {"stride": 2, "depth": 0, "expansion": 1, "reduction": 0}
    stage = ReDimStage(3, 4, **sizes, block="resnet", group_size=1)
    x = torch.randn(2, 12, 5)
    y = stage(x)
    matrix = stage.resize.weight[:, :, :, 0].permute(0, 2, 1).flatten(1)
    lower = functional.conv1d(x[:, :6], matrix.unsqueeze(2), stage.resize.bias)
    upper = functional.conv1d(x[:, 6:], matrix.unsqueeze(2), stage.resize.bias)
    torch.testing.assert_close(y, torch.cat([lower, upper], dim=1))


def test_aggregation_begins_as_the_mean_and_can_choose_per_channel():
    maps = [torch.randn(2, 4, 5) for _ in range(3)]
    aggregation = Aggregation(4, num_maps=3)
    torch.testing.assert_close(aggregation(maps), sum(maps) / 3)
    nn.init.constant_(aggregation.logits[1, 2], 100.0)
    torch.testing.assert_close(aggregation(maps)[:, 2], maps[1][:, 2])


def test_every_stage_sees_the_outputs_of_all_before_it():
    model = ReDimNet(**SIZES).eval()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    pooled = model.pooled_frames(torch.randn(2, 20, 12))[0]
    maps = [seen[0][0], *(output for _, output in seen)]
    for index in (1, 2):
        torch.testing.assert_close(seen[index][0], sum(maps[: index + 1]) / (index + 1))
    torch.testing.assert_close(pooled, sum(maps) / 4)
    assert pooled.shape == (2, 48, 20)


def test_view_along_time_attends_and_is_added():
    """Post-norm self-attention with four heads of 2 and a hidden layer as wide as the input."""
    torch.manual_seed(0)
    view = TimeContext(16, 8).eval()
    x = torch.randn(2, 16, 9)
    h = view.narrow(x)
    for conv in view.convs:
        h = conv(h)
    h, layer = h.transpose(1, 2), view.attention
    q, k, v = functional.linear(h, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias).chunk(3, dim=2)
    heads = []
    for head in range(4):
        part = slice(2 * head, 2 * head + 2)
        weights = (q[:, :, part] @ k[:, :, part].transpose(1, 2) / 2**0.5).softmax(dim=2)
        heads.append(weights @ v[:, :, part])
    h = layer.norm1(h + layer.self_attn.out_proj(torch.cat(heads, dim=2)))
    h = layer.norm2(h + layer.linear2(functional.gelu(layer.linear1(h), approximate="tanh")))
    torch.testing.assert_close(view(x), x + view.widen(h.transpose(1, 2)), rtol=1e-4, atol=1e-5)


def test_channel_norm_normalises_each_place():
    y = ChannelNorm(16)(3.0 + 2.0 * torch.randn(2, 16, 4, 5))
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 4, 5), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var(dim=1, unbiased=False), torch.ones(2, 4, 5), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_mels": 80}, "got num_mels=80"),
        ({"group_size": 5}, "groups of 5"),
        ({"block": "dense"}, "got block=dense"),
        ({"stages": [[1, 1, 1, 9]]}, "got 5 channels at reduction=9"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(wrong: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        ReDimNet(**{**SIZES, **wrong})
