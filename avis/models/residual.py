"""Two-dimensional residual blocks, which take features as an image: ``[batch, channels, mels, frames]``."""

from torch import Tensor, nn
from torch.nn import functional


def conv_norm(in_channels: int, out_channels: int, *, kernel_size: int, stride: tuple[int, int] = (1, 1)) -> nn.Module:
    """Return a convolution without bias, zero-padded by half its kernel, and its batch normalisation."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


def shortcut(in_channels: int, out_channels: int, *, stride: tuple[int, int]) -> nn.Module:
    """Return the identity, or a 1x1 projection where the shape changes (option B of the paper)."""
    if stride == (1, 1) and in_channels == out_channels:
        return nn.Identity()
    return conv_norm(in_channels, out_channels, kernel_size=1, stride=stride)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Parameters
    ----------
    in_channels, channels
        Channels before and after.
    stride
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
        self.residual = nn.Sequential(
            conv_norm(in_channels, channels, kernel_size=3, stride=stride),
            nn.ReLU(inplace=True),
            conv_norm(channels, channels, kernel_size=3),
        )
        self.shortcut = shortcut(in_channels, channels, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, channels, mels / stride, frames / stride]``."""
        return functional.relu(self.residual(x) + self.shortcut(x), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 one is narrow and has the stride.

    Parameters
    ----------
    in_channels
        Channels before.
    channels
        Channels of the 3x3 convolution; four times as many leave the block.
    stride
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
        self.residual = nn.Sequential(
            conv_norm(in_channels, channels, kernel_size=1),
            nn.ReLU(inplace=True),
            conv_norm(channels, channels, kernel_size=3, stride=stride),
            nn.ReLU(inplace=True),
            conv_norm(channels, out_channels, kernel_size=1),
        )
        self.shortcut = shortcut(in_channels, out_channels, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, 4 * channels, mels / stride, frames / stride]``."""
        return functional.relu(self.residual(x) + self.shortcut(x), inplace=True)
