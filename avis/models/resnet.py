"""ResNet r-vector (He et al., 2015; Zeinali et al., 2019): the 2-D convolutional speaker embedding."""

from collections.abc import Callable

from torch import Tensor, nn

from avis.models.masking import strided
from avis.models.pooled import PooledModel
from avis.models.pooling import Pooling
from avis.models.residual import FRAME_STRIDE, BasicBlock, Bottleneck, Trunk


class ResNet(PooledModel):
    """ResNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    The r-vector's layers as wespeaker has them: a 3x3 convolution, four stages of residual blocks, of which the last
    three halve mels and frames and double the channels, temporal statistics pooling of each (channel, mel), and one
    linear layer. Unlike ResNets for pictures: no max-pooling, stride 1 at the start, a quarter or half of the channels.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first stage (32 in wespeaker).
    depths : list of int
        Residual blocks in each of the four stages: [3, 4, 6, 3] is ResNet34, or with ``bottleneck`` ResNet50.
    bottleneck : bool
        Whether blocks are of three convolutions (ResNet50 and deeper) instead of two.
    pooling : callable
        Builds the pooling layer from the number of its channels (`StatisticsPooling` in wespeaker).
    embedding_dim : int
        Values per embedding (256 in wespeaker).

    Raises
    ------
    ValueError
        If there are not four stages, or one has no block.

    References
    ----------
    He et al., "Deep residual learning for image recognition", 2015, Table 1, https://arxiv.org/abs/1512.03385.
    Zeinali et al., "BUT system description to VoxCeleb Speaker Recognition Challenge 2019",
    https://arxiv.org/abs/1910.12592. Sizes: wenet-e2e/wespeaker, ``wespeaker/models/resnet.py``.

    Examples
    --------
    >>> import torch
    >>> from avis.models.pooling import StatisticsPooling
    >>> sizes = dict(channels=4, depths=[1, 1, 1, 1], bottleneck=False, embedding_dim=6)
    >>> ResNet(num_mels=80, pooling=StatisticsPooling, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        depths: list[int],
        bottleneck: bool,
        pooling: Callable[[int], Pooling],
        embedding_dim: int,
    ) -> None:
        super().__init__()
        block = Bottleneck if bottleneck else BasicBlock
        self.embedding_dim = embedding_dim
        self.trunk = Trunk(block, num_mels=num_mels, channels=channels, depths=depths, expansion=block.expansion)
        self.pooling = pooling(self.trunk.out_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        return self.trunk(features, num_frames), strided(num_frames, FRAME_STRIDE)
