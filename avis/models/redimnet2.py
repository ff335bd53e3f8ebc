"""ReDimNet2 (Yakovlev and Okhotnikov, 2026): a ReDimNet whose later stages see several frames as one."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.masking import mask_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.redimnet import ATTENTION_CHANNELS, POOLING_FLOOR, Aggregation
from avis.models.redimnet_blocks import NORM_EPS, NUM_HEADS, ChannelNorm, GroupedBasicBlock, TimeContext


class PooledStage(nn.Module):
    """As `avis.models.redimnet.ReDimStage`, on one frame for several, which its output is repeated for.

    Parameters
    ----------
    channels, mels : int
        Of the image before; their product is that of all stages.
    stride : int
        How many times fewer mels and more channels there are after.
    frames : int
        Frames that become one.
    depth : int
        Blocks: depthwise 3x3 convolutions, each mixed by a 1x1 one.
    expansion : float
        How many times more channels the blocks have than the image after them; fewer below 1.
    reduction : int
        How many times narrower the view along time is than the map.
    """

    def __init__(
        self, channels: int, mels: int, *, stride: int, frames: int, depth: int, expansion: float, reduction: int
    ) -> None:
        super().__init__()
        self.channels, self.mels, self.frames = channels, mels, frames
        after, width, size = channels * stride, int(channels * stride * expansion), (stride, frames)
        self.resize = nn.Conv2d(channels, width, size, size, groups=math.gcd(channels, width))
        self.blocks = nn.ModuleList(GroupedBasicBlock(width, mels=None, group_size=1) for _ in range(depth))
        self.compress = (
            nn.Sequential(nn.Conv2d(width, after, 1), nn.BatchNorm2d(after, eps=NORM_EPS)) if width != after else None
        )
        self.context = TimeContext(channels * mels, channels * mels // reduction)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, mels * channels, frames]`` to the same shape; all numbers of frames are multiples."""
        image = self.resize(x.unflatten(1, (self.mels, self.channels)).transpose(1, 2))
        num_frames = None if num_frames is None else num_frames // self.frames
        for block in self.blocks:
            image = block(image, num_frames)
        if self.compress is not None:
            image = self.compress(image)
        x = self.context(image.transpose(1, 2).flatten(1, 2), num_frames)
        return x.repeat_interleave(self.frames, dim=2)


class ReDimNet2(PooledModel):
    """ReDimNet2: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    As `avis.models.redimnet.ReDimNet`, with stages that also stride over frames, and fewer channels to pool. Frames at
    the end that do not fill the stride of all stages are left out; an utterance shorter than that is filled up with
    zeros.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too. It is
    exported as TorchScript; its ONNX does not give the same embeddings yet, and the export refuses it.

    Parameters
    ----------
    num_mels : int
        Features per frame (72); a multiple of the product of all strides over mels.
    channels : int
        Channels of the first image.
    stages : list of list of float
        Of each stage: strides over mels and frames, blocks, expansion, and reduction of its view along time.
    head_channels : int
        Channels of each of the last map's mels that are pooled, by a 1x1 convolution; 0 for all, without one.
    embedding_dim : int
        Values per embedding (192).

    Raises
    ------
    ValueError
        If mels or channels cannot be divided.

    References
    ----------
    Yakovlev and Okhotnikov, "ReDimNet2: Scaling Speaker Verification via Time-Pooled Dimension Reshaping", 2026,
    https://arxiv.org/abs/2603.11841. Layers: wenet-e2e/wespeaker, ``wespeaker/models/redimnet2.py``; sizes: the recipes
    of PalabraAI/redimnet2, ``applications/speaker_rec/examples/vox2``, whose group normalisation (``agg_gnorm``), like
    the second aggregation of later releases, is not of the published sizes.

    Examples
    --------
    >>> stages = [[1, 1, 1, 2, 4], [2, 2, 1, 1, 4]]
    >>> model = ReDimNet2(num_mels=16, channels=4, stages=stages, head_channels=3, embedding_dim=6)
    >>> model(torch.zeros(2, 31, 16)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        stages: list[list[float]],
        head_channels: int,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        volume, self.multiple = channels * num_mels, math.prod(int(stage[1]) for stage in stages)
        self._check(num_mels, channels, stages)
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.first_norm = ChannelNorm(channels)
        self.stages = nn.ModuleList()
        frames = 1
        for stride, frame_stride, depth, expansion, reduction in stages:
            frames *= int(frame_stride)
            sizes = {"stride": int(stride), "frames": frames, "depth": int(depth), "reduction": int(reduction)}
            self.stages.append(PooledStage(channels, num_mels, **sizes, expansion=expansion))
            channels, num_mels = channels * int(stride), num_mels // int(stride)
        self.aggregations = nn.ModuleList(Aggregation(volume, num_maps=i + 2) for i in range(len(stages)))
        self.last_mels = num_mels
        self.head = nn.Conv2d(channels, head_channels, 1) if head_channels else nn.Identity()
        pooled = (head_channels or channels) * num_mels
        self.pooling = AttentiveStatisticsPooling(
            pooled, attention_channels=ATTENTION_CHANNELS, norm=False, sample_deviation=True, floor=POOLING_FLOOR
        )
        self.pooling_norm = nn.BatchNorm1d(2 * pooled)
        self.embedding = nn.Linear(2 * pooled, embedding_dim)

    @staticmethod
    def _check(num_mels: int, channels: int, stages: list[list[float]]) -> None:
        total = math.prod(int(stage[0]) for stage in stages)
        if num_mels % total:
            raise ValueError(
                f"strides divide the mels: got num_mels={num_mels}, expected a multiple of the strides' product "
                f"{total}. At model.num_mels. Choose features with such a number of mels, as fbank_72."
            )
        for *_, reduction in stages:
            if channels * num_mels // int(reduction) % NUM_HEADS:
                raise ValueError(
                    f"attention has {NUM_HEADS} heads: got {channels * num_mels // int(reduction)} channels at "
                    f"reduction={reduction}, expected a multiple of {NUM_HEADS}. At model.stages. Choose another."
                )

    def _whole(self, x: Tensor, num_frames: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Cut ``[batch, mels, frames]``, and the number of each utterance's frames, to multiples of the stride."""
        stride = self.multiple
        if x.shape[2] < stride:
            x = functional.pad(mask_frames(x, num_frames), (0, stride - x.shape[2]))
        x = x[:, :, : x.shape[2] // stride * stride]
        if num_frames is None:
            return x, None
        whole = (num_frames // stride * stride).clamp(min=stride)
        return mask_frames(x, torch.minimum(num_frames, whole)), whole

    def _maps(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        """Return what is pooled of the weighted sum of all stages' maps, ``[batch, channels * mels, frames]``."""
        x = self.first_norm(self.first(x.unsqueeze(1))).transpose(1, 2).flatten(1, 2)
        maps = [x]
        for stage, aggregation in zip(self.stages, self.aggregations, strict=True):
            maps.append(stage(x, num_frames))
            x = aggregation(maps)
        return self.head(x.unflatten(1, (self.last_mels, -1)).transpose(1, 2)).flatten(1, 2)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x, num_frames = self._whole(features.transpose(1, 2), num_frames)
        return self._maps(x, num_frames), num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding(self.pooling_norm(pooled))
