"""SKA-TDNN (Mun et al., 2022): an ECAPA-TDNN whose convolutions select their kernel sizes by attention."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import TdnnBlock, check_features
from avis.models.ecapa_tdnn import BLOCK_DILATIONS, FIRST_KERNEL_SIZE
from avis.models.masking import mask_frames, mean_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling

KERNEL_SIZES = (5, 7)
FRONT_REDUCTION = 8
BLOCK_REDUCTION = 4
LEAST_HIDDEN = 16
POOLING_FLOOR = 1e-4
"""Smallest variance that is pooled."""
NUM_FRONT_BLOCKS = 2
FRONT_STRIDES = ((2, 1), (2, 2))
"""Over (mels, frames), of the convolutions before and after the front's blocks."""
FRAME_STRIDE = math.prod(stride for _, stride in FRONT_STRIDES)


class ConvReluNorm(nn.Module):
    """A 2-D convolution, zero-padded by half its kernel, ReLU and batch normalisation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    kernel_size : int
        Over mels and frames; odd.
    stride : (int, int)
        Over (mels, frames).
    bias : bool
        Of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: tuple[int, int] = (1, 1),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]``, ``num_frames`` of each the utterance's, to ``out_channels``."""
        return self.norm(functional.relu(self.conv(mask_frames(x, num_frames)), inplace=True))


class Branches(nn.ModuleList):
    """Modules that all see the same input."""

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> list[Tensor]:
        """Return each module's output."""
        return [branch(x, num_frames) for branch in self]


class KernelSelection(nn.Module):
    """Weigh the outputs of convolutions of several kernel sizes, along one axis, by attention to their sum.

    Parameters
    ----------
    size : int
        Of the axis.
    axis : int
        That the weights are for: channels (1) or mels (2); the sum is averaged over all others but the batch.
    reduction : int
        How much narrower than ``size`` the hidden layer is; it has 16 values at least.

    References
    ----------
    Li et al., "Selective Kernel Networks", 2019, Eq. 1-6, https://arxiv.org/abs/1903.06586.
    """

    def __init__(self, size: int, *, axis: int, reduction: int) -> None:
        super().__init__()
        hidden = max(LEAST_HIDDEN, size // reduction)
        self.axis = axis
        self.squeeze = nn.Linear(size, hidden)
        self.excite = nn.Linear(hidden, len(KERNEL_SIZES) * size)

    def forward(self, branches: list[Tensor], num_frames: Tensor | None = None) -> Tensor:
        """Map tensors of one shape, one per kernel size, to their weighted sum of that shape.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.
        """
        others = [axis for axis in range(1, branches[0].ndim) if axis != self.axis]
        summary = mean_frames(torch.stack(branches).sum(dim=0), num_frames).mean(dim=others)
        scores = self.excite(functional.relu(self.squeeze(summary)))
        shape = [-1 if axis == self.axis else 1 for axis in range(1, branches[0].ndim)]
        weights = scores.unflatten(1, (len(branches), -1)).softmax(dim=1).unflatten(2, shape).unbind(dim=1)
        return torch.stack([weight * branch for weight, branch in zip(weights, branches, strict=True)]).sum(dim=0)


class SelectiveKernel2d(nn.Module):
    """Convolutions of several sizes over the image, and the selection among them.

    Parameters
    ----------
    channels : int
        Channels in and out.
    size, axis : int
        Of the selection.
    """

    def __init__(self, channels: int, *, size: int, axis: int) -> None:
        super().__init__()
        self.branches = Branches(ConvReluNorm(channels, channels, kernel_size=kernel) for kernel in KERNEL_SIZES)
        self.selection = KernelSelection(size, axis=axis, reduction=FRONT_REDUCTION)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, mels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        return self.selection(self.branches(x, num_frames), num_frames)


class FrontBlock(nn.Module):
    """A 3x3 convolution, and kernels selected for each mel and then for each channel, beside a skip connection.

    Parameters
    ----------
    channels, mels : int
        Of the image, in and out.

    References
    ----------
    Mun et al., 2022, section 3 (fcwSKA), https://arxiv.org/abs/2204.01005.
    """

    def __init__(self, channels: int, *, mels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvReluNorm(channels, channels, kernel_size=3, bias=False),
            SelectiveKernel2d(channels, size=mels, axis=2),
            SelectiveKernel2d(channels, size=channels, axis=1),
        )

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, mels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        y = x
        for layer in self.layers:
            y = layer(y, num_frames)
        return functional.relu(y + x)


class SelectiveRes2Block(nn.Module):
    """An SE-Res2Block whose group convolutions have selected kernels (the paper's msSKA).

    Unlike in ECAPA-TDNN the first group is convolved and the last passes unchanged, and the gates' bottleneck is
    batch-normalised. One selection serves all groups.

    Parameters
    ----------
    channels : int
        Channels in and out; a multiple of ``scale``.
    dilation : int
        Of the groups' convolutions, in frames.
    se_channels : int
        Bottleneck of the channel gates.
    scale : int
        Number of channel groups.

    References
    ----------
    Mun et al., 2022, section 3 (msSKA), https://arxiv.org/abs/2204.01005.
    """

    def __init__(self, channels: int, *, dilation: int, se_channels: int, scale: int) -> None:
        super().__init__()
        if scale < 2 or channels % scale:
            raise ValueError(
                f"channels must split into equal groups: got channels={channels} with scale={scale}, expected a "
                "multiple of scale, and scale of 2 or more. At model.channels, model.scale. Change one of them."
            )
        width = channels // scale
        self.scale = scale
        self.before = TdnnBlock(channels, channels)
        self.groups = nn.ModuleList(
            Branches(TdnnBlock(width, width, kernel_size=k, dilation=dilation) for k in KERNEL_SIZES)
            for _ in range(scale - 1)
        )
        self.selection = KernelSelection(width, axis=1, reduction=BLOCK_REDUCTION)
        self.after = TdnnBlock(channels, channels)
        self.gates = nn.Sequential(
            nn.Conv1d(channels, se_channels, 1),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(se_channels),
            nn.Conv1d(se_channels, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        *parts, last = self.before(x).chunk(self.scale, dim=1)
        outputs: list[Tensor] = []
        for branches, part in zip(self.groups, parts, strict=True):
            given = part + outputs[-1] if outputs else part
            outputs.append(self.selection(branches(given, num_frames), num_frames))
        y = self.after(torch.cat([*outputs, last], dim=1))
        return torch.addcmul(x, y, self.gates(mean_frames(y, num_frames)))


class SkaTdnn(PooledModel):
    """SKA-TDNN: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Two-dimensional convolutions with kernels selected by mel and by channel, which halve the frames and quarter the
    mels; then ECAPA-TDNN's layout with selected kernels. The pooling's attention has no tanh and sees the sample's
    deviation.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    front_channels : int
        Channels of the two-dimensional convolutions (128 in the published code).
    channels : int
        Channels of the one-dimensional blocks (1024); a multiple of ``scale``.
    embedding_dim : int
        Values per embedding (192).
    mfa_channels : int
        Channels of the multi-layer feature aggregation (1536).
    attention_channels, se_channels : int
        Bottlenecks of the pooling's attention and of the channel gates (128).
    scale : int
        Channel groups of a block (8).

    Raises
    ------
    ValueError
        If ``channels`` is not a multiple of ``scale``.

    References
    ----------
    Mun et al., "Frequency and Multi-Scale Selective Kernel Attention for Speaker Verification", SLT 2022,
    https://arxiv.org/abs/2204.01005. Layers and sizes: msh9184/ska-tdnn, ``models/SKA_TDNN.py``.

    Examples
    --------
    >>> sizes = dict(front_channels=2, channels=16, embedding_dim=4, mfa_channels=24, attention_channels=8)
    >>> SkaTdnn(num_mels=80, se_channels=8, scale=4, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 4])
    """

    frame_stride = FRAME_STRIDE

    def __init__(
        self,
        *,
        num_mels: int,
        front_channels: int,
        channels: int,
        embedding_dim: int,
        mfa_channels: int,
        attention_channels: int,
        se_channels: int,
        scale: int,
    ) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        half, quarter = math.ceil(num_mels / 2), math.ceil(num_mels / 4)
        self.front = nn.Sequential(
            ConvReluNorm(1, front_channels, kernel_size=3, stride=FRONT_STRIDES[0]),
            *(FrontBlock(front_channels, mels=half) for _ in range(NUM_FRONT_BLOCKS)),
            ConvReluNorm(front_channels, front_channels, kernel_size=3, stride=FRONT_STRIDES[1]),
        )
        self.first = TdnnBlock(front_channels * quarter, channels, kernel_size=FIRST_KERNEL_SIZE)
        self.blocks = nn.ModuleList(
            SelectiveRes2Block(channels, dilation=dilation, se_channels=se_channels, scale=scale)
            for dilation in BLOCK_DILATIONS
        )
        self.aggregation = nn.Conv1d(len(BLOCK_DILATIONS) * channels, mfa_channels, 1)
        self.pooling = AttentiveStatisticsPooling(
            mfa_channels,
            attention_channels=attention_channels,
            tanh=False,
            sample_deviation=True,
            floor=POOLING_FLOOR,
        )
        self.pooling_norm = nn.BatchNorm1d(2 * mfa_channels)
        self.embedding = nn.Linear(2 * mfa_channels, embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, mfa_channels, ceil(frames / 2)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        image = features.transpose(1, 2).unsqueeze(1)
        for layer in self.front:
            image = layer(image, num_frames)
        num_frames = strided(num_frames, FRAME_STRIDE)
        total = self.first(image.flatten(1, 2), num_frames)
        outputs = []
        for block in self.blocks:
            outputs.append(block(total, num_frames))
            total = total + outputs[-1]
        return functional.relu(self.aggregation(torch.cat(outputs, dim=1)), inplace=True), num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding_norm(self.embedding(self.pooling_norm(pooled)))
