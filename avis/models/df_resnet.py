"""Gemini DF-ResNet (Liu et al., 2022 and 2024): a deep ResNet of inverted bottlenecks, for half of all frames."""

import math

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.masking import strided
from avis.models.pooled import PooledModel
from avis.models.pooling import StatisticsPooling
from avis.models.residual import ConvNorm

WIDENING = 4
"""How many times wider a block is inside."""
STRIDES = ((2, 1), (2, 2), (2, 1), (2, 1))
"""Over (mels, frames), before each stage: the paper's T14c, one of its two golden points."""
MEL_STRIDE, FRAME_STRIDE = (math.prod(stride) for stride in zip(*STRIDES, strict=True))


class InvertedBottleneck(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolutions, four times as wide inside, beside a skip connection.

    Parameters
    ----------
    channels : int
        Channels in and out.

    References
    ----------
    Liu et al., "DF-ResNet", 2022; after Sandler et al., "MobileNetV2", 2018.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = WIDENING * channels
        self.widen = ConvNorm(channels, width, kernel_size=1)
        self.middle = ConvNorm(width, width, kernel_size=3, groups=width)
        self.narrow = ConvNorm(width, channels, kernel_size=1)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, mels, frames]`` to the same shape."""
        hidden = functional.relu(self.widen(x), inplace=True)
        hidden = functional.relu(self.middle(hidden, num_frames), inplace=True)
        return functional.relu(self.narrow(hidden) + x, inplace=True)


class DepthFirstStage(nn.Module):
    """A strided 3x3 convolution, then inverted bottlenecks.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    depth : int
        Inverted bottlenecks.
    stride : (int, int)
        Over (mels, frames).
    """

    def __init__(self, in_channels: int, channels: int, *, depth: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.halving = ConvNorm(in_channels, channels, kernel_size=3, stride=stride)
        self.frame_stride = stride[1]
        self.blocks = nn.ModuleList(InvertedBottleneck(channels) for _ in range(depth))

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, channels, mels / stride, frames / stride]``."""
        x = self.halving(x, num_frames)
        num_frames = strided(num_frames, self.frame_stride)
        for block in self.blocks:
            x = block(x, num_frames)
        return x


class GeminiDfResNet(PooledModel):
    """Gemini DF-ResNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A 3x3 convolution, then four stages, each of a strided 3x3 convolution and inverted bottlenecks: mels become a
    sixteenth, frames a half, as time tells more of a speaker than frequency. Temporal statistics pooling of each
    (channel, mel), and one linear layer.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first convolution and the first stage (32); each later stage has twice as many.
    depths : list of int
        Blocks in each of the four stages: [3, 3, 9, 3] is DF-ResNet60, [3, 3, 27, 3] 114, [3, 8, 45, 3] 183 and
        [3, 8, 63, 3] 237.
    embedding_dim : int
        Values per embedding (256 in wespeaker).

    Raises
    ------
    ValueError
        If there are not four stages, or one has no block.

    References
    ----------
    Liu et al., "DF-ResNet: Boosting Speaker Verification Performance with Depth-First Design", Interspeech 2022.
    Liu et al., "Golden Gemini is All You Need: Finding the Sweet Spots for Speaker Verification", TASLP 2024,
    https://arxiv.org/abs/2312.03620. Layers: wenet-e2e/wespeaker, ``wespeaker/models/gemini_dfresnet.py``.

    Examples
    --------
    >>> import torch
    >>> model = GeminiDfResNet(num_mels=80, channels=4, depths=[1, 1, 1, 1], embedding_dim=6)
    >>> model(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(self, *, num_mels: int, channels: int, depths: list[int], embedding_dim: int) -> None:
        super().__init__()
        if len(depths) != len(STRIDES) or min(depths) < 1:
            raise ValueError(
                f"a DF-ResNet has four stages: got depths={list(depths)}, expected 4 numbers of blocks, each 1 or "
                "more. At model.depths. Correct them."
            )
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = ConvNorm(1, channels, kernel_size=3)
        widths = [channels * 2**stage for stage in range(len(STRIDES))]
        self.stages = nn.ModuleList(
            DepthFirstStage(before, after, depth=depth, stride=stride)
            for before, after, depth, stride in zip([channels, *widths[:-1]], widths, depths, STRIDES, strict=True)
        )
        self.pooling = StatisticsPooling(widths[-1] * math.ceil(num_mels / MEL_STRIDE))
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 2)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = functional.relu(self.first(features.transpose(1, 2).unsqueeze(1), num_frames), inplace=True)
        for stage, stride in zip(self.stages, STRIDES, strict=True):
            x = stage(x, num_frames)
            num_frames = strided(num_frames, stride[1])
        return x.flatten(1, 2), num_frames
