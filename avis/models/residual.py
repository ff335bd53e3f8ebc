"""Two-dimensional residual blocks, which take features as an image: ``[batch, channels, mels, frames]``."""

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.masking import mask_frames, strided

STRIDES = (1, 2, 2, 2)
"""Of the trunk's stages, over mels and over frames."""
FRAME_STRIDE = math.prod(STRIDES)


class ConvNorm(nn.Module):
    """A convolution without bias, zero-padded by half its kernel, and its batch normalisation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    kernel_size : int
        Over mels and frames; odd.
    stride : (int, int)
        Over (mels, frames).
    groups : int
        Of channels, which are convolved apart.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]``, ``num_frames`` of each the utterance's, to ``out_channels``."""
        return self.norm(self.conv(mask_frames(x, num_frames) if self.conv.kernel_size[1] > 1 else x))


def shortcut(in_channels: int, out_channels: int, *, stride: tuple[int, int]) -> nn.Module:
    """Return the identity, or a 1x1 projection where the shape changes (option B of the paper)."""
    if stride == (1, 1) and in_channels == out_channels:
        return nn.Identity()
    return ConvNorm(in_channels, out_channels, kernel_size=1, stride=stride)


class Stage(nn.ModuleList):
    """Blocks in sequence, of which the first has the stride and may change the channels.

    Parameters
    ----------
    block : callable
        Builds a block from channels before, channels, and stride over (mels, frames).
    in_channels, channels : int
        Channels before, and those that the blocks are asked for.
    out_channels : int
        Channels that leave a block.
    depth : int
        Blocks.
    stride : (int, int)
        Over (mels, frames).
    """

    def __init__(
        self,
        block: Callable[..., nn.Module],
        in_channels: int,
        *,
        channels: int,
        out_channels: int,
        depth: int,
        stride: tuple[int, int],
    ) -> None:
        after = (block(out_channels, channels, stride=(1, 1)) for _ in range(depth - 1))
        super().__init__([block(in_channels, channels, stride=stride), *after])
        self.frame_stride = stride[1]

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, out_channels, mels / stride, frames / stride]``."""
        for block in self:
            x = block(x, num_frames)
            num_frames = strided(num_frames, self.frame_stride) if block is self[0] else num_frames
        return x


class Stages(nn.ModuleList):
    """The four stages of a ResNet, each with twice the channels of the one before it.

    Parameters
    ----------
    block : callable
        Builds a block from channels before, channels, and stride over (mels, frames).
    in_channels, channels : int
        Channels before, and, before expansion, of the first stage.
    depths : list of int
        Blocks in each of the four stages.
    strides : tuple of int
        Of each stage, over both mels and frames.
    expansion : int
        How many times its channels leave a block.

    Raises
    ------
    ValueError
        If there are not four stages, or one has no block.
    """

    def __init__(
        self,
        block: Callable[..., nn.Module],
        in_channels: int,
        *,
        channels: int,
        depths: list[int],
        strides: tuple[int, ...] = STRIDES,
        expansion: int = 1,
    ) -> None:
        if len(depths) != len(strides) or min(depths) < 1:
            raise ValueError(
                f"a ResNet has four stages: got depths={list(depths)}, expected 4 numbers of blocks, each 1 or more. "
                "At model.depths. Correct them."
            )
        super().__init__()
        for index, (depth, stride) in enumerate(zip(depths, strides, strict=True)):
            width = channels * 2**index
            sizes = {"channels": width, "out_channels": expansion * width, "depth": depth}
            self.append(Stage(block, in_channels, **sizes, stride=(stride, stride)))
            in_channels = expansion * width
        self.strides = strides
        self.out_channels = in_channels

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, out_channels, mels / strides, frames / strides]``."""
        for stage, stride in zip(self, self.strides, strict=True):
            x = stage(x, num_frames)
            num_frames = strided(num_frames, stride)
        return x


class Trunk(nn.Module):
    """What most ResNets for speakers have in common: a 3x3 convolution, and stages that come to an eighth of mels.

    Parameters
    ----------
    block, channels, depths, expansion
        As of the stages.
    num_mels : int
        Features per frame.
    """

    def __init__(
        self, block: Callable[..., nn.Module], *, num_mels: int, channels: int, depths: list[int], expansion: int = 1
    ) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.first = ConvNorm(1, channels, kernel_size=3)
        self.stages = Stages(block, channels, channels=channels, depths=depths, expansion=expansion)
        self.out_channels = self.stages.out_channels * math.ceil(num_mels / FRAME_STRIDE)

    def image(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return what enters the stages, ``[batch, channels, mels, frames]``, for ``[batch, frames, mels]``."""
        check_features(features, num_mels=self.num_mels)
        return functional.relu(self.first(features.transpose(1, 2).unsqueeze(1), num_frames), inplace=True)

    def forward(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return ``[batch, channels * mels, ceil(frames / 8)]`` for ``[batch, frames, mels]``."""
        return self.stages(self.image(features, num_frames), num_frames).flatten(1, 2)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    stride : (int, int)
        Of the first convolution, over (mels, frames).

    References
    ----------
    He et al., "Deep residual learning for image recognition", 2015, Figure 5 left, https://arxiv.org/abs/1512.03385.

    Examples
    --------
    >>> import torch
    >>> BasicBlock(4, 8, stride=(2, 1))(torch.zeros(2, 4, 80, 30)).shape
    torch.Size([2, 8, 40, 30])
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.frame_stride = stride[1]
        self.first = ConvNorm(in_channels, channels, kernel_size=3, stride=stride)
        self.second = ConvNorm(channels, channels, kernel_size=3)
        self.shortcut = shortcut(in_channels, channels, stride=stride)

    def residual(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return what is added to the shortcut."""
        hidden = functional.relu(self.first(x, num_frames), inplace=True)
        return self.second(hidden, strided(num_frames, self.frame_stride))

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, channels, mels / stride, frames / stride]``."""
        return functional.relu(self.residual(x, num_frames) + self.shortcut(x), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 one is narrow and has the stride.

    Parameters
    ----------
    in_channels : int
        Channels before.
    channels : int
        Channels of the 3x3 convolution; four times as many leave the block.
    stride : (int, int)
        Over (mels, frames).

    References
    ----------
    He et al., "Deep residual learning for image recognition", 2015, Figure 5 right, https://arxiv.org/abs/1512.03385.
    The paper strides the first convolution; torchvision and wespeaker the 3x3 one, as here.

    Examples
    --------
    >>> import torch
    >>> Bottleneck(4, 8, stride=(2, 2))(torch.zeros(2, 4, 80, 30)).shape
    torch.Size([2, 32, 40, 15])
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        self.narrow = ConvNorm(in_channels, channels, kernel_size=1)
        self.middle = ConvNorm(channels, channels, kernel_size=3, stride=stride)
        self.widen = ConvNorm(channels, out_channels, kernel_size=1)
        self.shortcut = shortcut(in_channels, out_channels, stride=stride)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, 4 * channels, mels / stride, frames / stride]``."""
        hidden = functional.relu(self.narrow(x), inplace=True)
        hidden = functional.relu(self.middle(hidden, num_frames), inplace=True)
        return functional.relu(self.widen(hidden) + self.shortcut(x), inplace=True)
