"""ReDimNet2: the published sizes, a stage counted by hand, and how frames are joined, repeated and left out."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from avis.models.redimnet2 import PooledStage, ReDimNet2

SIZES = {
    "num_mels": 12,
    "channels": 4,
    "stages": [[1, 1, 1, 2, 4], [2, 2, 1, 1, 4], [3, 2, 1, 0.5, 4]],
    "head_channels": 3,
    "embedding_dim": 6,
}
FRAME_STRIDE = 4


@pytest.mark.few(2)
@pytest.mark.parametrize(("size", "printed"), enumerate((1.1, 2.1, 3.6, 4.1, 6.6, 8.9, 12.3)))
def test_parameter_count_is_the_published_one(build_choice: Callable[..., nn.Module], size: int, printed: float):
    """PalabraAI/redimnet2, README.md, where figures are cut, not rounded: WeSpeaker counts 12.4 M for B6."""
    model = build_choice(f"redimnet2_b{size}", num_mels=72)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert math.floor(10 * millions) / 10 == printed


def test_parameter_count_of_a_stage():
    """From 8 channels of 12 mels to 16 of 6, in three blocks of 24 channels, and a view along time in 96 / 8 = 12."""
    stage = PooledStage(8, 12, stride=2, frames=4, depth=3, expansion=1.5, reduction=8)
    resized = 2 * 4 * 1 * 24 + 24  # in gcd(8, 24) = 8 groups
    block = 2 * (9 * 24 + 24 * 24 + 24 + 2 * 24)
    compressed = 24 * 16 + 16 + 2 * 16
    h = 12
    convs = sum(h * kernel + h + 2 * h + h * h + h for kernel in (7, 19, 31, 59))
    attention = 4 * (h * h + h) + 2 * (h * h + h) + 2 * 2 * h
    context = 96 * h + h + 2 * h + convs + attention + h * 96 + 96
    assert sum(p.numel() for p in stage.parameters()) == resized + 3 * block + compressed + context


def test_frames_are_joined_and_what_comes_out_is_repeated():
    stage = PooledStage(3, 4, stride=2, frames=2, depth=0, expansion=1, reduction=3).eval()
    stage.context = nn.Identity()
    stage.context.forward = lambda x, _num_frames: x
    x = torch.randn(2, 12, 6)
    image = x.unflatten(1, (4, 3)).transpose(1, 2)
    expected = functional.conv2d(image, stage.resize.weight, stage.resize.bias, stride=(2, 2), groups=3)
    expected = expected.transpose(1, 2).flatten(1, 2)
    y = stage(x)
    torch.testing.assert_close(y[:, :, ::2], expected)
    assert torch.equal(y[:, :, ::2], y[:, :, 1::2])


@pytest.mark.parametrize("frames", [8, 9, 11])
def test_frames_that_do_not_fill_the_stride_are_left_out(frames: int):
    model = ReDimNet2(**SIZES).eval()
    features = torch.randn(2, frames, 12)
    with torch.inference_mode():
        torch.testing.assert_close(model(features), model(features[:, :8]))
        masked = model(torch.cat([features, torch.randn(2, 5, 12)], dim=1), torch.full((2,), frames))
        torch.testing.assert_close(masked, model(features[:, :8]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 3])
def test_an_utterance_shorter_than_the_stride_is_filled_up(frames: int):
    model = ReDimNet2(**SIZES).eval()
    features = torch.randn(2, frames, 12)
    filled = functional.pad(features, (0, 0, 0, FRAME_STRIDE - frames))
    with torch.inference_mode():
        torch.testing.assert_close(model(features), model(filled))
        beyond = torch.cat([features, torch.randn(2, 7, 12)], dim=1)
        torch.testing.assert_close(model(beyond, torch.full((2,), frames)), model(filled), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_mels": 10}, "got num_mels=10.*product 6"),
        ({"stages": [[1, 1, 1, 1, 9]]}, "got 5 channels at reduction=9"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(wrong: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        ReDimNet2(**{**SIZES, **wrong})
