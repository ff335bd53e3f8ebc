"""MFA-Conformer (Zhang et al., 2022): Conformer blocks, whose outputs are all concatenated and pooled."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.conformer import ConformerBlock, sinusoids
from avis.models.masking import mask_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling

SUBSAMPLING_KERNEL_SIZE = 3
SUBSAMPLING_STRIDE = 2
ATTENTION_CHANNELS = 128


class Subsampling(nn.Module):
    """A strided 3x3 convolution over the features as an image, and a linear layer on each frame: half the frames.

    The convolution is not padded; only features of one or two frames get zero frames after them.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of convolution and output.
    """

    def __init__(self, num_mels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, SUBSAMPLING_KERNEL_SIZE, SUBSAMPLING_STRIDE)
        self.linear = nn.Linear(channels * ((num_mels - SUBSAMPLING_KERNEL_SIZE) // SUBSAMPLING_STRIDE + 1), channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[batch, frames, mels]`` to ``[batch, (frames - 1) // 2, channels]``, of one frame at least.

        What lies beyond the end of utterances of one or two frames is to be zero.
        """
        missing = max(0, SUBSAMPLING_KERNEL_SIZE - features.shape[1])
        image = functional.relu(self.conv(functional.pad(features, (0, 0, 0, missing)).unsqueeze(1)), inplace=True)
        return self.linear(image.transpose(1, 2).flatten(2))

    def num_frames(self, num_frames: Tensor | None) -> Tensor | None:
        """Return how many frames are left of each utterance."""
        return num_frames if num_frames is None else ((num_frames - 1) // 2).clamp(min=1)


class MfaConformer(PooledModel):
    """MFA-Conformer: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Convolutional subsampling to half the frames, Conformer blocks, layer normalisation of all blocks' outputs
    together, attentive statistics pooling, batch normalisation and a linear layer. Positions count from the first
    frame (see `PositionedAttention`), so the embedding depends a little on where an utterance begins.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the blocks (256 in the published code).
    num_blocks : int
        Conformer blocks (6).
    num_heads : int
        Attention heads (4).
    hidden_channels : int
        Width of the feed-forward layers (2048).
    kernel_size : int
        Taps of the blocks' convolutions, in frames (15).
    dropout : float
        Share of values dropped in training (0.1).
    embedding_dim : int
        Values per embedding (192).

    Raises
    ------
    ValueError
        If ``channels`` is not an even multiple of ``num_heads``, or ``kernel_size`` is even.

    References
    ----------
    Zhang et al., "MFA-Conformer: Multi-scale Feature Aggregation Conformer for Automatic Speaker Verification",
    Interspeech 2022, https://arxiv.org/abs/2203.15249. Layers and sizes: zyzisyz/mfa_conformer,
    ``module/conformer_cat.py`` and ``start.sh`` (``conv2d2``, ``rel_pos``), on WeNet's encoder.

    Examples
    --------
    >>> sizes = dict(channels=8, num_blocks=2, num_heads=2, hidden_channels=16, kernel_size=3, embedding_dim=4)
    >>> MfaConformer(num_mels=80, dropout=0.1, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 4])
    """

    frame_stride = SUBSAMPLING_STRIDE

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        num_blocks: int,
        num_heads: int,
        hidden_channels: int,
        kernel_size: int,
        dropout: float,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.subsampling = Subsampling(num_mels, channels)
        self.scale = math.sqrt(channels)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            ConformerBlock(
                channels, num_heads=num_heads, hidden_channels=hidden_channels, kernel_size=kernel_size, dropout=dropout
            )
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(num_blocks * channels)
        self.pooling = AttentiveStatisticsPooling(num_blocks * channels, attention_channels=ATTENTION_CHANNELS)
        self.pooling_norm = nn.BatchNorm1d(2 * num_blocks * channels)
        self.embedding = nn.Linear(2 * num_blocks * channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, num_blocks * channels, frames / 2]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = self.subsampling(mask_frames(features.transpose(1, 2), num_frames).transpose(1, 2))
        num_frames = self.subsampling.num_frames(num_frames)
        positions = sinusoids(x.shape[1], x.shape[2], device=x.device).to(features.dtype)
        x, positions = self.dropout(x * self.scale), self.dropout(positions)
        outputs = []
        for block in self.blocks:
            x = block(x, positions, num_frames)
            outputs.append(x)
        return self.norm(torch.cat(outputs, dim=2)).transpose(1, 2), num_frames

    def first_frame(self, num_frames: int) -> float:
        """See `PooledModel.first_frame`."""
        return (SUBSAMPLING_KERNEL_SIZE - SUBSAMPLING_STRIDE) / 2

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding(self.pooling_norm(pooled))
