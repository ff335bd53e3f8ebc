"""ResNet r-vector (He et al., 2015; Zeinali et al., 2019): the 2-D convolutional speaker embedding."""

import math

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.pooling import StatisticsPooling
from avis.models.residual import BasicBlock, Bottleneck, conv_norm

NUM_STAGES = 4


class ResNet(nn.Module):
    """ResNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    The r-vector's layers as wespeaker has them: a 3x3 convolution, four stages of residual blocks, of which the last
    three halve mels and frames and double the channels, temporal statistics pooling of each (channel, mel), and one
    linear layer. Unlike ResNets for pictures: no max-pooling, stride 1 at the start, a quarter or half of the channels.

    Training needs two or more utterances in a batch. There is no padding mask: every frame counts as speech.

    Parameters
    ----------
    num_mels
        Features per frame.
    channels
        Channels of the first stage (32 in wespeaker).
    depths
        Residual blocks in each of the four stages: [3, 4, 6, 3] is ResNet34, or with ``bottleneck`` ResNet50.
    bottleneck
        Whether blocks are of three convolutions (ResNet50 and deeper) instead of two.
    embedding_dim
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
    >>> model = ResNet(num_mels=80, channels=4, depths=[1, 1, 1, 1], bottleneck=False, embedding_dim=6)
    >>> model(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self, *, num_mels: int, channels: int, depths: list[int], bottleneck: bool, embedding_dim: int
    ) -> None:
        super().__init__()
        if len(depths) != NUM_STAGES or min(depths) < 1:
            raise ValueError(
                f"a ResNet has four stages: got depths={list(depths)}, expected 4 numbers of blocks, each 1 or more. "
                "At model.depths. Correct them."
            )
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = conv_norm(1, channels, kernel_size=3)
        block = Bottleneck if bottleneck else BasicBlock
        layers: list[nn.Module] = []
        width = channels
        for stage, depth in enumerate(depths):
            for index in range(depth):
                stride = (2, 2) if stage > 0 and index == 0 else (1, 1)
                layers.append(block(width, channels * 2**stage, stride=stride))
                width = block.expansion * channels * 2**stage
        self.blocks = nn.Sequential(*layers)
        self.pooling = StatisticsPooling()
        self.embedding = nn.Linear(2 * width * math.ceil(num_mels / 2 ** (NUM_STAGES - 1)), embedding_dim)

    def frame_representations(self, features: Tensor) -> Tensor:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``, for ``[batch, frames, mels]``."""
        check_features(features, num_mels=self.num_mels)
        image = features.transpose(1, 2).unsqueeze(1)
        return self.blocks(functional.relu(self.first(image), inplace=True)).flatten(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Return embeddings ``[batch, embedding_dim]``, not length-normalised, of ``[batch, frames, mels]``.

        Raises
        ------
        ValueError
            If ``features`` has no frames or another number of mels than the model.
        """
        return self.embedding(self.pooling(self.frame_representations(features)))
