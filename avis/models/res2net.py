"""Res2Net for speakers (Zhou et al., 2021): residual blocks that convolve groups of channels one after the other."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.masking import strided
from avis.models.pooled import PooledModel
from avis.models.pooling import StatisticsPooling
from avis.models.residual import FRAME_STRIDE, ConvNorm, Trunk, shortcut

CLIP = 20.0
"""Above which the blocks' rectifiers are flat."""
FULL_WIDTH = 64
"""Of ``base_width``: the one at which a group has as many channels as the block is asked for."""


class Sum(nn.Module):
    """Adds two tensors of one shape."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum."""
        return x + y


class Res2Bottleneck(nn.Module):
    """1x1, hierarchical 3x3, and 1x1 convolutions beside a shortcut; the first has the stride.

    The channels are split into ``scale`` groups. The first is convolved, and every later group is fused with its
    predecessor's output before its own convolution. Rectifiers are clipped at 20.

    Parameters
    ----------
    in_channels : int
        Channels before.
    channels : int
        Twice as many leave the block.
    stride : (int, int)
        Over (mels, frames).
    base_width : int
        Channels of a group, in 64ths of ``channels``.
    scale : int
        Number of groups.
    convolve_last : bool
        Whether the last group is convolved too (ERes2Net) or passes unchanged (Res2Net).
    fusion : callable or None
        Builds, from the channels of a group, what fuses a group with its predecessor's output.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or they have no channels.

    References
    ----------
    Gao et al., "Res2Net: a new multi-scale backbone architecture", 2019, Eq. 1, https://arxiv.org/abs/1904.01169.
    modelscope/3D-Speaker has the first group convolved in place of the last, and twice the channels after as before.
    """

    expansion = 2

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: tuple[int, int],
        base_width: int,
        scale: int,
        convolve_last: bool = False,
        fusion: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        width = channels * base_width // FULL_WIDTH
        if scale < 2 or width < 1:
            raise ValueError(
                f"channels must split into groups: got scale={scale} groups of {width} channels (base_width="
                f"{base_width} of {FULL_WIDTH}), expected 2 or more, of 1 or more. At model.scale, model.base_width. "
                "Raise them."
            )
        num_convolved = scale if convolve_last else scale - 1
        out_channels = self.expansion * channels
        self.scale = scale
        self.frame_stride = stride[1]
        self.before = ConvNorm(in_channels, scale * width, kernel_size=1, stride=stride)
        self.groups = nn.ModuleList(ConvNorm(width, width, kernel_size=3) for _ in range(num_convolved))
        self.fusions = nn.ModuleList(Sum() if fusion is None else fusion(width) for _ in range(num_convolved - 1))
        self.after = ConvNorm(scale * width, out_channels, kernel_size=1)
        self.shortcut = shortcut(in_channels, out_channels, stride=stride)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, 2 * channels, mels / stride, frames / stride]``."""
        num_frames = strided(num_frames, self.frame_stride)
        first, *parts = rectify(self.before(x)).chunk(self.scale, dim=1)
        outputs = [rectify(self.groups[0](first, num_frames))]
        for group, fusion in zip(self.groups[1:], self.fusions, strict=True):
            outputs.append(rectify(group(fusion(outputs[-1], parts[len(outputs) - 1]), num_frames)))
        outputs += parts[len(outputs) - 1 :]
        return rectify(self.after(torch.cat(outputs, dim=1)) + self.shortcut(x))


def rectify(x: Tensor) -> Tensor:
    """Return ``x`` with what is outside 0 to 20 set to the nearer of them."""
    return functional.hardtanh(x, 0.0, CLIP)


class Res2Net(PooledModel):
    """Res2Net: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    The r-vector's layout with Res2Net's blocks.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first convolution (32 in 3D-Speaker and in wespeaker's base, 64 in its large model).
    depths : list of int
        Residual blocks in each of the four stages: [3, 4, 6, 3].
    base_width : int
        Channels of a group, in 64ths of the block's (32).
    scale : int
        Channel groups of a block (2).
    embedding_dim : int
        Values per embedding (192 in 3D-Speaker).

    Raises
    ------
    ValueError
        If there are not four stages, one has no block, or channels cannot be split.

    References
    ----------
    Zhou et al., "ResNeXt and Res2Net structures for speaker verification", SLT 2021, https://arxiv.org/abs/2007.02480.
    Layers and sizes: modelscope/3D-Speaker, ``speakerlab/models/res2net/Res2Net.py``; wenet-e2e/wespeaker,
    ``wespeaker/models/res2net.py``.

    Examples
    --------
    >>> sizes = dict(channels=4, depths=[1, 1, 1, 1], base_width=32, scale=2, embedding_dim=6)
    >>> Res2Net(num_mels=80, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(
        self, *, num_mels: int, channels: int, depths: list[int], base_width: int, scale: int, embedding_dim: int
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        block = partial(Res2Bottleneck, base_width=base_width, scale=scale)
        expansion = Res2Bottleneck.expansion
        self.trunk = Trunk(block, num_mels=num_mels, channels=channels, depths=depths, expansion=expansion)
        self.pooling = StatisticsPooling(self.trunk.out_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        return self.trunk(features, num_frames), strided(num_frames, FRAME_STRIDE)
