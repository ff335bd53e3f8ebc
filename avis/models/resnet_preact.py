"""Pre-activated ResNet of SpeechBrain (after He et al., 2016): normalised and rectified before each convolution."""

import math

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import SqueezeExcitation, check_features
from avis.models.masking import mask_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.residual import FRAME_STRIDE, STRIDES, ConvNorm, Stage, shortcut

ATTENTION_CHANNELS = 128


class PreActBlock(nn.Module):
    """Two 3x3 convolutions and a 1x1 one, each after its norm and rectifier, beside a shortcut that has neither.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    stride : (int, int)
        Of the first convolution, over (mels, frames).

    References
    ----------
    He et al., "Identity mappings in deep residual networks", ECCV 2016, Figure 4e, https://arxiv.org/abs/1603.05027.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.frame_stride = stride[1]
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (in_channels, channels, channels))
        self.first = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.third = nn.Conv2d(channels, channels, 1, bias=False)
        self.shortcut = shortcut(in_channels, channels, stride=stride)

    def residual(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        """Return what is added to the shortcut."""
        before, between, after = self.norms
        y = self.first(mask_frames(functional.relu(before(x)), num_frames))
        y = self.second(mask_frames(functional.relu(between(y)), strided(num_frames, self.frame_stride)))
        return self.third(functional.relu(after(y)))

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, mels, frames]`` to ``[batch, channels, mels / stride, frames / stride]``."""
        return self.residual(x, num_frames) + self.shortcut(x)


class GatedPreActBlock(PreActBlock):
    """The same with channel gates, whose hidden layer is as wide as the block."""

    def __init__(self, in_channels: int, channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__(in_channels, channels, stride=stride)
        self.gates = SqueezeExcitation(channels, se_channels=channels)

    def residual(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        """Return what is added to the shortcut."""
        y = super().residual(x, num_frames)
        return y * self.gates(y.mean(dim=2), strided(num_frames, self.frame_stride)).unsqueeze(3)


BLOCKS = (GatedPreActBlock, GatedPreActBlock, PreActBlock, PreActBlock)
"""Of the stages."""


class PreActResNet(PooledModel):
    """SpeechBrain's ResNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A 3x3 convolution, four stages of pre-activated blocks, the first two of them gated, of which the last three halve
    mels and frames, attentive statistics pooling of each (channel, mel) without context and tanh, and a linear layer
    between two batch normalisations.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : list of int
        Of each of the four stages ([128, 128, 256, 256] in SpeechBrain).
    depths : list of int
        Residual blocks in each of them ([3, 4, 6, 3]).
    embedding_dim : int
        Values per embedding (256).

    Raises
    ------
    ValueError
        If there are not four stages, or one has no block.

    References
    ----------
    SpeechBrain 1.1.2, ``speechbrain/lobes/models/ResNet.py``; sizes:
    ``recipes/VoxCeleb/SpeakerRec/hparams/train_resnet.yaml``.

    Examples
    --------
    >>> import torch
    >>> model = PreActResNet(num_mels=80, channels=[4, 4, 8, 8], depths=[1, 1, 1, 1], embedding_dim=6)
    >>> model.eval()(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(self, *, num_mels: int, channels: list[int], depths: list[int], embedding_dim: int) -> None:
        super().__init__()
        if len(channels) != len(STRIDES) or len(depths) != len(STRIDES) or min(depths) < 1:
            raise ValueError(
                f"a ResNet has four stages: got channels={list(channels)}, depths={list(depths)}, expected 4 numbers "
                "of each, and 1 or more blocks. At model.channels, model.depths. Correct them."
            )
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = ConvNorm(1, channels[0], kernel_size=3)
        self.stages = nn.ModuleList(
            Stage(block, before, channels=after, out_channels=after, depth=depth, stride=(stride, stride))
            for block, before, after, depth, stride in zip(
                BLOCKS, [channels[0], *channels[:-1]], channels, depths, STRIDES, strict=True
            )
        )
        width = channels[-1] * math.ceil(num_mels / FRAME_STRIDE)
        self.pooling = AttentiveStatisticsPooling(
            width, attention_channels=ATTENTION_CHANNELS, tanh=False, context=False
        )
        self.pooling_norm = nn.BatchNorm1d(2 * width)
        self.embedding = nn.Linear(2 * width, embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = functional.relu(self.first(features.transpose(1, 2).unsqueeze(1), num_frames), inplace=True)
        for stage, stride in zip(self.stages, STRIDES, strict=True):
            x = stage(x, num_frames)
            num_frames = strided(num_frames, stride)
        return x.flatten(1, 2), num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding_norm(self.embedding(self.pooling_norm(pooled)))
