"""ReDimNet (Yakovlev et al., 2024): two- and one-dimensional blocks in turn, on feature maps of one constant volume."""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import SqueezeExcitation, check_features
from avis.models.masking import inside, mask_frames
from avis.models.pooling import AttentiveStatisticsPooling

BLOCKS = ("convnext", "resnet", "gated_resnet")
NORM_EPS = 1e-6
CONTEXT_KERNEL_SIZES = (7, 19, 31, 59)
NUM_HEADS = 4
GATES_HIDDEN = (32, 64)
"""Least and largest width of the mel gates' hidden layer, which else is that of the block."""
ATTENTION_CHANNELS = 128


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
    channels
        In and out.
    kernel_size
        Of the grouped convolution.
    group_size
        Channels that are convolved with one another.
    dim
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
    channels
        In and out.
    mels
        Of the image, if mels are gated; None if not.
    group_size
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
    channels
        In and out.
    hidden
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


class Aggregation(nn.Module):
    """The sum of feature maps of one shape, weighted for each channel by a softmax over the maps.

    Parameters
    ----------
    channels
        Of each map.
    num_maps
        Maps.
    """

    def __init__(self, channels: int, *, num_maps: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_maps, channels, 1))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map tensors ``[batch, channels, frames]`` to one."""
        weights = self.logits.softmax(dim=0)
        return torch.stack([weight * each for weight, each in zip(weights, maps, strict=True)]).sum(dim=0)


class ReDimStage(nn.Module):
    """Two-dimensional blocks on the maps, reshaped to ``[batch, channels, mels, frames]``, then a view along time.

    Parameters
    ----------
    channels, mels
        Of the image before; their product is that of all stages.
    stride
        How many times fewer mels and more channels there are after.
    depth
        Blocks.
    expansion
        How many times more channels the blocks have than the image after them.
    reduction
        How many times narrower the view along time is than the map; 0 for none.
    block
        One of convnext, resnet and gated_resnet.
    group_size
        Channels that are convolved with one another.
    """

    def __init__(
        self,
        channels: int,
        mels: int,
        *,
        stride: int,
        depth: int,
        expansion: int,
        reduction: int,
        block: str,
        group_size: int,
    ) -> None:
        super().__init__()
        self.channels, self.mels = channels, mels
        after, rows = channels * stride, mels // stride
        width = after * expansion
        self.resize = nn.Conv2d(channels, width, (stride, 1), (stride, 1))
        self.blocks = nn.ModuleList(
            ConvNextBlock(width, kernel_size=3, group_size=group_size, dim=2)
            if block == "convnext"
            else GroupedBasicBlock(width, mels=rows if block == "gated_resnet" else None, group_size=group_size)
            for _ in range(depth)
        )
        self.compress = (
            nn.Sequential(
                nn.Conv2d(width, after, 3, padding=1, groups=after // group_size),
                nn.BatchNorm2d(after, eps=NORM_EPS),
                nn.GELU(),
                nn.Conv2d(after, after, 1),
            )
            if expansion > 1
            else None
        )
        volume = channels * mels
        self.context = TimeContext(volume, volume // reduction) if reduction else None

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, mels * channels, frames]`` to the same shape."""
        image = self.resize(x.unflatten(1, (self.mels, self.channels)).transpose(1, 2))
        for block in self.blocks:
            image = block(image, num_frames)
        if self.compress is not None:
            image = self.compress(mask_frames(image, num_frames))
        x = image.transpose(1, 2).flatten(1, 2)
        return x if self.context is None else self.context(x, num_frames)


class ReDimNet(nn.Module):
    """ReDimNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Mels become channels from stage to stage while their product, and the frames, stay the same: so the outputs of all
    stages before are summed, with learned weights, to the input of the next. Attentive statistics pooling (of tanh
    alone), batch normalisation and one linear layer.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels
        Features per frame (60 in B0, else 72); a multiple of the product of all strides.
    channels
        Channels of the first image.
    stages
        Of each stage: stride, blocks, expansion, and reduction of its view along time, 0 for none.
    block
        convnext, resnet, or gated_resnet, with gates for mels.
    group_size
        Channels that are convolved with one another.
    context
        Whether the pooling's attention sees the utterance's mean and deviation.
    embedding_dim
        Values per embedding (192).

    Raises
    ------
    ValueError
        If the block is unknown, or mels or channels cannot be divided.

    References
    ----------
    Yakovlev et al., "Reshape Dimensions Network for Speaker Recognition", Interspeech 2024,
    https://arxiv.org/abs/2407.18223. Layers: IDRnD/ReDimNet, ``redimnet/model.py``; sizes: wenet-e2e/wespeaker,
    ``wespeaker/models/redimnet.py``.

    Examples
    --------
    >>> sizes = dict(channels=4, stages=[[1, 1, 1, 0], [2, 1, 2, 8]], block="resnet", group_size=1)
    >>> ReDimNet(num_mels=16, **sizes, context=True, embedding_dim=6)(torch.zeros(2, 30, 16)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        stages: list[list[int]],
        block: str,
        group_size: int,
        context: bool,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        volume = channels * num_mels
        self._check(num_mels, channels, stages, block, group_size)
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.first_norm = ChannelNorm(channels)
        self.stages = nn.ModuleList()
        for stride, depth, expansion, reduction in stages:
            sizes = {"stride": stride, "depth": depth, "expansion": expansion, "reduction": reduction}
            self.stages.append(ReDimStage(channels, num_mels, **sizes, block=block, group_size=group_size))
            channels, num_mels = channels * stride, num_mels // stride
        self.aggregations = nn.ModuleList(Aggregation(volume, num_maps=i + 2) for i in range(len(stages)))
        self.pooling = AttentiveStatisticsPooling(
            volume, attention_channels=ATTENTION_CHANNELS, norm=False, context=context
        )
        self.pooling_norm = nn.BatchNorm1d(2 * volume)
        self.embedding = nn.Linear(2 * volume, embedding_dim)

    @staticmethod
    def _check(num_mels: int, channels: int, stages: list[list[int]], block: str, group_size: int) -> None:
        total = math.prod(stride for stride, *_ in stages)
        if num_mels % total or channels % group_size:
            raise ValueError(
                f"strides and groups divide mels and channels: got num_mels={num_mels}, channels={channels}, expected "
                f"multiples of the strides' product {total} and of group_size={group_size}. At model.num_mels, "
                "model.channels. Choose features with such a number of mels, as fbank_72."
            )
        if block not in BLOCKS:
            raise ValueError(
                f"unknown block: got block={block}, expected one of {', '.join(BLOCKS)}. At model.block. Correct it."
            )
        for _, _, _, reduction in stages:
            if reduction and channels * num_mels // reduction % NUM_HEADS:
                raise ValueError(
                    f"attention has {NUM_HEADS} heads: got {channels * num_mels // reduction} channels at reduction="
                    f"{reduction}, expected a multiple of {NUM_HEADS}. At model.stages. Choose another reduction."
                )

    def frame_representations(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return what is pooled, ``[batch, channels * mels, frames]``, for ``[batch, frames, mels]``."""
        check_features(features, num_mels=self.num_mels)
        image = self.first_norm(self.first(mask_frames(features.transpose(1, 2), num_frames).unsqueeze(1)))
        x = image.transpose(1, 2).flatten(1, 2)
        maps = [x]
        for stage, aggregation in zip(self.stages, self.aggregations, strict=True):
            maps.append(stage(x, num_frames))
            x = aggregation(maps)
        return x

    def forward(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return embeddings ``[batch, embedding_dim]``, not length-normalised, of ``[batch, frames, mels]``.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.

        Raises
        ------
        ValueError
            If ``features`` has no frames or another number of mels than the model.
        """
        pooled = self.pooling(self.frame_representations(features, num_frames), num_frames)
        return self.embedding(self.pooling_norm(pooled))
