"""What models share: the check of their features, and one-dimensional convolution blocks of the TDNN family.

The blocks work on ``[batch, channels, frames]`` and keep the number of frames unless a stride is given.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.masking import mask_frames, mean_frames, mirror_frames

Padding = Literal["zeros", "reflect"]
"""What convolutions see beyond the ends: nothing, or the frames mirrored."""


def check_features(features: Tensor, *, num_mels: int) -> None:
    """Refuse features that are not ``[batch, frames, num_mels]``, or have no frames.

    Raises
    ------
    ValueError
        With the shape.
    """
    if features.ndim != 3 or features.shape[1] == 0 or features.shape[2] != num_mels:
        raise ValueError(
            f"features do not fit the model: got features.shape={list(features.shape)}, expected "
            f"[batch, frames >= 1, mels = {num_mels}]. At model.num_mels. Give the features and the model the same "
            "number of mels."
        )


class TdnnBlock(nn.Module):
    """Convolve over frames, rectify, then batch-normalise: the order of the x-vector and ECAPA-TDNN papers.

    The convolution is padded by half its span, so that without a stride ``frames`` is kept (odd ``kernel_size``).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    kernel_size : int
        Taps of the convolution, in frames; odd.
    dilation : int
        Distance between taps, in frames.
    stride : int
        Keep every ``stride``-th frame: ``frames`` becomes ``ceil(frames / stride)``.
    padding_mode : Padding
        What lies beyond the ends: ``"zeros"``, or ``"reflect"`` for the frames mirrored, as in SpeechBrain.
    slope : float
        Of the rectifier below zero.

    Examples
    --------
    >>> TdnnBlock(80, 16, kernel_size=5)(torch.zeros(2, 80, 7)).shape
    torch.Size([2, 16, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        dilation: int = 1,
        stride: int = 1,
        padding_mode: Padding = "zeros",
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        assert kernel_size % 2 == 1, f"an even kernel cannot be centred: got kernel_size={kernel_size}"
        padding = dilation * (kernel_size // 2)
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel_size, stride, padding, dilation, padding_mode=padding_mode
        )
        self.slope = slope
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, frames]``, ``num_frames`` of each the utterance's, to ``out_channels``."""
        y = self._convolved(x, num_frames)
        rectified = functional.leaky_relu(y, self.slope) if self.slope else functional.relu(y, inplace=True)
        return self.norm(rectified)

    def _convolved(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        conv = self.conv
        if num_frames is None or conv.kernel_size[0] == 1:
            return conv(x)
        if conv.padding_mode == "zeros":
            return conv(mask_frames(x, num_frames))
        mirrored = mirror_frames(x, num_frames, width=int(conv.padding[0]))
        return functional.conv1d(mirrored, conv.weight, conv.bias, conv.stride, 0, conv.dilation)


class Res2Block(nn.Module):
    """Hierarchical convolutions over channel groups, which multiply the receptive fields inside one layer.

    The channels are split into ``scale`` groups. The first passes unchanged, the second is convolved, and every later
    group is added to its predecessor's output before its own convolution.

    Parameters
    ----------
    channels : int
        Channels in and out; a multiple of ``scale``.
    kernel_size, dilation : int
        Of every group's convolution, in frames.
    scale : int
        Number of groups; 2 or more.
    padding_mode : Padding
        As of `TdnnBlock`.

    Raises
    ------
    ValueError
        If the channels cannot be split evenly.

    References
    ----------
    Gao et al., "Res2Net: a new multi-scale backbone architecture", 2019, Eq. 1, https://arxiv.org/abs/1904.01169.
    """

    def __init__(
        self, channels: int, *, kernel_size: int, dilation: int, scale: int, padding_mode: Padding = "zeros"
    ) -> None:
        super().__init__()
        if scale < 2 or channels % scale:
            raise ValueError(
                f"channels must split into equal groups: got channels={channels} with scale={scale}, expected a "
                "multiple of scale, and scale of 2 or more. At model.channels, model.scale. Change one of them."
            )
        width = channels // scale
        self.scale = scale
        self.groups = nn.ModuleList(
            TdnnBlock(width, width, kernel_size=kernel_size, dilation=dilation, padding_mode=padding_mode)
            for _ in range(scale - 1)
        )

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        first, second, *rest = x.chunk(self.scale, dim=1)
        outputs = [first, self.groups[0](second, num_frames)]
        for group, part in zip(self.groups[1:], rest, strict=True):
            outputs.append(group(part + outputs[-1], num_frames))
        return torch.cat(outputs, dim=1)


class SqueezeExcitation(nn.Module):
    """Compute one gate in (0, 1) per channel from the channel means over all frames.

    Parameters
    ----------
    channels : int
        Channels to gate.
    se_channels : int
        Width of the bottleneck.
    bias : bool
        Whether its two layers have offsets; the papers leave it open, and NeMo's have none.

    References
    ----------
    Hu et al., "Squeeze-and-excitation networks", 2018, Eq. 2-3, https://arxiv.org/abs/1709.01507; over frames:
    Desplanques et al., 2020, Eq. 1-2, https://arxiv.org/abs/2005.07143.
    """

    def __init__(self, channels: int, *, se_channels: int, bias: bool = True) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, se_channels, bias=bias)
        self.excite = nn.Linear(se_channels, channels, bias=bias)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return the gates to multiply ``x`` ``[batch, channels, frames]`` with: ``[batch, channels, 1]``."""
        hidden = functional.relu(self.squeeze(mean_frames(x, num_frames).squeeze(2)))
        return torch.sigmoid(self.excite(hidden)).unsqueeze(2)
