"""ReDimNet's blocks (Yakovlev et al., 2024): on images, on what lies along time, and their normalisation."""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import SqueezeExcitation
from avis.models.masking import inside, mask_frames

NORM_EPS = 1e-6
CONTEXT_KERNEL_SIZES = (7, 19, 31, 59)
NUM_HEADS = 4
GATES_HIDDEN = (32, 64)
"""Least and largest width of the mel gates' hidden layer, which else is that of the block."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels, the second axis."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, channels, ...]`` to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvNextBlock(nn.Module):
    """A grouped convolution, batch normalisation, GELU and a 1x1 convolution beside a skip connection.

    Parameters
    ----------
    channels : int
        In and out.
    kernel_size : int
        Of the grouped convolution.
    group_size : int
        Channels that are convolved with one another.
    dim : int
        1 over frames, 2 over mels and frames.
    """

    def __init__(self, channels: int, *, kernel_size: int, group_size: int, dim: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if dim == 1 else (nn.Conv2d, nn.BatchNorm2d)
        self.conv = conv(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels // group_size)
        self.norm = norm(channels)
        self.mix = conv(channels, channels, 1)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, ..., frames]`` to the same shape."""
        return x + self.mix(functional.gelu(self.norm(self.conv(mask_frames(x, num_frames)))))


class GroupedBasicBlock(nn.Module):
    """Two grouped 3x3 convolutions, each mixed by a 1x1 one, and perhaps gates for mels, beside a skip connection.

    Parameters
    ----------
    channels : int
        In and out.
    mels : int or None
        Of the image, if mels are gated; None if not.
    group_size : int
        Channels that are convolved with one another.
    """

    def __init__(self, channels: int, *, mels: int | None, group_size: int) -> None:
        super().__init__()
        grouped = partial(nn.Conv2d, channels, channels, 3, padding=1, groups=channels // group_size, bias=False)
        self.convs = nn.ModuleList(grouped() for _ in range(2))
        self.mixes = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        least, most = GATES_HIDDEN
        self.gates = SqueezeExcitation(mels, se_channels=min(most, max(channels, least))) if mels else None

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, mels, frames]`` to the same shape."""
        y = self.mixes[0](self.convs[0](mask_frames(x, num_frames)))
        y = self.norms[0](functional.relu(y, inplace=True))
        y = self.norms[1](self.mixes[1](self.convs[1](mask_frames(y, num_frames))))
        if self.gates is not None:
            y = y * self.gates(y.mean(dim=1), num_frames).unsqueeze(1)
        return functional.relu(y + x, inplace=True)


class TimeContext(nn.Module):
    """A narrower space in which convolutions of growing size and self-attention look along time.

    Parameters
    ----------
    channels : int
        In and out.
    hidden : int
        Channels of the narrower space.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv1d(channels, hidden, 1), ChannelNorm(hidden))
        self.convs = nn.ModuleList(
            ConvNextBlock(hidden, kernel_size=kernel_size, group_size=1, dim=1) for kernel_size in CONTEXT_KERNEL_SIZES
        )
        self.attention = nn.TransformerEncoderLayer(
            hidden,
            NUM_HEADS,
            dim_feedforward=hidden,
            dropout=0.0,
            activation=partial(functional.gelu, approximate="tanh"),
            layer_norm_eps=NORM_EPS,
            batch_first=True,
        )
        self.widen = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to the same shape."""
        hidden = self.narrow(x)
        for conv in self.convs:
            hidden = conv(hidden, num_frames)
        beyond = None if num_frames is None else ~inside(hidden, num_frames).squeeze(1)
        attended = self.attention(hidden.transpose(1, 2), src_key_padding_mask=beyond)
        return x + self.widen(attended.transpose(1, 2))
