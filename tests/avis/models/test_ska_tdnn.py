"""SKA-TDNN: sizes counted by hand and as published, selection of kernels as its formula, and the groups' wiring."""

import pytest
import torch

from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.ska_tdnn import FrontBlock, KernelSelection, SelectiveRes2Block, SkaTdnn


def count_by_hand(c: int) -> int:
    """Add up the published code's layers for 80 mels; batch normalisation has 2 per channel."""
    front, mfa, width = 128, 1536, c // 8
    kernels_2d = sum(front * front * k * k + front + 2 * front for k in (5, 7))
    by_mel = (40 * 16 + 16) + 2 * (16 * 40 + 40)
    by_channel = (128 * 16 + 16) + 2 * (16 * 128 + 128)
    front_block = (front * front * 9 + 2 * front) + 2 * kernels_2d + by_mel + by_channel
    before = (front * 9 + front) + 2 * front
    after = (front * front * 9 + front) + 2 * front
    first = front * 20 * c * 5 + c + 2 * c
    groups = 7 * sum(width * width * k + width + 2 * width for k in (5, 7))
    hidden = max(16, width // 4)
    selection = (width * hidden + hidden) + 2 * (hidden * width + width)
    gates = (c * 128 + 128) + 2 * 128 + (128 * c + c)
    block = 2 * (c * c + c + 2 * c) + groups + selection + gates
    pooling = (3 * mfa * 128 + 128) + 2 * 128 + (128 * mfa + mfa)
    head = 3 * c * mfa + mfa + pooling + 2 * 2 * mfa + (2 * mfa * 192 + 192) + 2 * 192
    return before + 2 * front_block + after + first + 3 * block + head


HEAD_OF_THE_TABLE = 1211 * 3 * 192
"""The table below counts three sub-centres for each speaker of VoxCeleb1-dev: by it ECAPA-TDNN has 15.36 M."""


@pytest.mark.parametrize(("channels", "published_m"), [(1024, 36.51), (512, 19.34)])
def test_parameter_count_is_the_published_one(channels: int, published_m: float):
    """Of ESPnet's model: huggingface.co/alexgichamba/idls24_team33_baseline and idls24_team33_vox1_ska_small."""
    sizes = {"mfa_channels": 1536, "attention_channels": 128, "se_channels": 128, "embedding_dim": 192}
    with torch.device("meta"):
        model = SkaTdnn(num_mels=80, front_channels=128, channels=channels, scale=8, **sizes)
    count = sum(p.numel() for p in model.parameters())
    assert count == count_by_hand(channels)
    assert count + HEAD_OF_THE_TABLE == pytest.approx(published_m * 1e6, rel=0.0005)


@pytest.mark.parametrize(("axis", "size"), [(1, 6), (2, 5)], ids=["channels", "mels"])
def test_selection_is_a_softmax_over_kernels_along_one_axis(axis: int, size: int):
    torch.manual_seed(0)
    selection = KernelSelection(size, axis=axis, reduction=8).double()
    small, large = torch.randn(2, 3, 6, 5, 4, dtype=torch.float64)
    others = tuple({1, 2, 3} - {axis})
    hidden = torch.relu(selection.squeeze((small + large).mean(dim=others)))
    of_small, of_large = selection.excite(hidden).chunk(2, dim=1)
    weight = torch.sigmoid(of_small - of_large)  # softmax over two
    shape = [3, 1, 1, 1]
    shape[axis] = size
    expected = weight.view(shape) * small + (1 - weight.view(shape)) * large
    torch.testing.assert_close(selection([small, large]), expected)


def test_selection_of_equals_is_the_identity():
    selection = KernelSelection(6, axis=1, reduction=8)
    x = torch.randn(2, 6, 9)
    torch.testing.assert_close(selection([x, x]), x)


def test_front_block_has_a_skip_connection():
    block = FrontBlock(4, mels=6).eval()
    x = torch.randn(2, 4, 6, 9)
    torch.testing.assert_close(block(x), (block.layers(x) + x).relu())


def test_last_group_passes_unchanged_and_others_see_their_predecessor():
    torch.manual_seed(0)
    block = SelectiveRes2Block(8, dilation=2, se_channels=4, scale=4).eval()
    seen: dict[str, torch.Tensor] = {}
    block.before.register_forward_hook(lambda _module, _inputs, output: seen.update(split=output))
    block.after.register_forward_hook(lambda _module, inputs, output: seen.update(joined=inputs[0], branch=output))
    x = torch.randn(2, 8, 20)
    y = block(x)
    parts, joined = seen["split"].chunk(4, dim=1), seen["joined"].chunk(4, dim=1)

    def select(index: int, given: torch.Tensor) -> torch.Tensor:
        return block.selection(block.groups[index](given))

    torch.testing.assert_close(joined[0], select(0, parts[0]))
    torch.testing.assert_close(joined[1], select(1, parts[1] + joined[0]))
    torch.testing.assert_close(joined[2], select(2, parts[2] + joined[1]))
    torch.testing.assert_close(joined[3], parts[3])
    torch.testing.assert_close(y, x + seen["branch"] * block.gates(seen["branch"].mean(dim=2, keepdim=True)))


@pytest.mark.parametrize(("frames", "kept"), [(30, 15), (31, 16), (1, 1)])
@pytest.mark.parametrize("mels", [24, 25])
def test_front_halves_frames(frames: int, kept: int, mels: int):
    sizes = {"mfa_channels": 24, "attention_channels": 8, "se_channels": 8, "embedding_dim": 4}
    model = SkaTdnn(num_mels=mels, front_channels=2, channels=16, scale=4, **sizes).eval()
    assert model.pooled_frames(torch.randn(2, frames, mels))[0].shape == (2, 24, kept)


def test_pooling_without_tanh_is_not_bounded():
    """Logits of a tanh are at most the sum of the second layer's weights."""
    logits = []
    for tanh in (True, False):
        pooling = AttentiveStatisticsPooling(4, attention_channels=3, tanh=tanh).eval()
        pooling.attention.register_forward_hook(lambda _module, _inputs, output: logits.append(output.abs().max()))
        pooling(1e3 * torch.randn(2, 4, 10))
    assert logits[0] < 4 < 20 < logits[1]


def test_pooling_is_that_of_the_published_code():
    """msh9184/ska-tdnn, models/SKA_TDNN.py: sample variance in the attention, 1e-4 at least under both roots."""
    torch.manual_seed(0)
    sizes = {"mfa_channels": 24, "attention_channels": 8, "se_channels": 8, "embedding_dim": 4}
    pooling = SkaTdnn(num_mels=24, front_channels=2, channels=16, scale=4, **sizes).double().eval().pooling
    x = 0.1 * torch.randn(2, 24, 7, dtype=torch.float64)
    mean, deviation = x.mean(2, keepdim=True), x.var(2, keepdim=True).clamp(min=1e-4).sqrt()
    matrix = torch.cat([pooling.frame.weight.squeeze(2), pooling.context.weight], dim=1)
    seen = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
    hidden = pooling.norm((matrix @ seen + pooling.context.bias[:, None]).relu())
    weights = pooling.attention(hidden).softmax(dim=2)
    mu = (x * weights).sum(2)
    sigma = ((x**2 * weights).sum(2) - mu**2).clamp(min=1e-4).sqrt()
    torch.testing.assert_close(pooling(x), torch.cat([mu, sigma], dim=1))
    torch.testing.assert_close(pooling(x[:, :, :1].expand_as(x))[:, 24:], torch.full_like(sigma, 0.01))


def test_channels_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match="got channels=18 with scale=4"):
        SelectiveRes2Block(18, dilation=2, se_channels=4, scale=4)
