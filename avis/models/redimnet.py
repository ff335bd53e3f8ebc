"""ReDimNet (Yakovlev et al., 2024): two- and one-dimensional blocks in turn, on feature maps of one constant volume."""

import math

import torch
from torch import Tensor, nn

from avis.models.blocks import check_features
from avis.models.masking import mask_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.redimnet_blocks import (
    NORM_EPS,
    NUM_HEADS,
    ChannelNorm,
    ConvNextBlock,
    GroupedBasicBlock,
    TimeContext,
)

BLOCKS = ("convnext", "resnet", "gated_resnet")
ATTENTION_CHANNELS = 128
POOLING_FLOOR = 1e-7
"""Smallest variance that is pooled."""


class Aggregation(nn.Module):
    """The sum of feature maps of one shape, weighted for each channel by a softmax over the maps.

    Parameters
    ----------
    channels : int
        Of each map.
    num_maps : int
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
    channels, mels : int
        Of the image before; their product is that of all stages.
    stride : int
        How many times fewer mels and more channels there are after.
    depth : int
        Blocks.
    expansion : int
        How many times more channels the blocks have than the image after them.
    reduction : int
        How many times narrower the view along time is than the map; 0 for none.
    block : str
        One of convnext, resnet and gated_resnet.
    group_size : int
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


class ReDimNet(PooledModel):
    """ReDimNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Mels become channels from stage to stage while their product, and the frames, stay the same: so the outputs of all
    stages before are summed, with learned weights, to the input of the next. Attentive statistics pooling (of tanh
    alone), batch normalisation and one linear layer.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame (60 in B0, else 72); a multiple of the product of all strides.
    channels : int
        Channels of the first image.
    stages : list of list of int
        Of each stage: stride, blocks, expansion, and reduction of its view along time, 0 for none.
    block : str
        convnext, resnet, or gated_resnet, with gates for mels.
    group_size : int
        Channels that are convolved with one another.
    context : bool
        Whether the pooling's attention sees the utterance's mean and deviation.
    embedding_dim : int
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
            volume,
            attention_channels=ATTENTION_CHANNELS,
            norm=False,
            context=context,
            sample_deviation=True,
            floor=POOLING_FLOOR,
        )
        self.pooling_norm = nn.BatchNorm1d(2 * volume)
        self.embedding = nn.Linear(2 * volume, embedding_dim)

    @staticmethod
    def _check(num_mels: int, channels: int, stages: list[list[int]], block: str, group_size: int) -> None:
        total = math.prod(stride for stride, *_ in stages)
        if num_mels % total or channels < group_size or channels % (channels // group_size):
            raise ValueError(
                f"strides and groups divide mels and channels: got num_mels={num_mels}, channels={channels}, expected "
                f"a multiple of the strides' product {total}, and equal groups of {group_size} or so. At "
                "model.num_mels, model.channels. Choose features with such a number of mels, as fbank_72."
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

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        image = self.first_norm(self.first(mask_frames(features.transpose(1, 2), num_frames).unsqueeze(1)))
        x = image.transpose(1, 2).flatten(1, 2)
        maps = [x]
        for stage, aggregation in zip(self.stages, self.aggregations, strict=True):
            maps.append(stage(x, num_frames))
            x = aggregation(maps)
        return x, num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding(self.pooling_norm(pooled))
