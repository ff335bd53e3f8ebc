"""SE-ResNets of clovaai/voxceleb_trainer (Chung et al., 2020; Heo et al., 2020): ResNetSE34L and ResNetSE34V2."""

import math

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import SqueezeExcitation, check_features
from avis.models.masking import mask_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling, SelfAttentivePooling
from avis.models.residual import FRAME_STRIDE, BasicBlock, ConvNorm, Stages

REDUCTION = 8
"""How much narrower the gates' hidden layer is than the block."""
DEPTHS = [3, 4, 6, 3]
FAST_FIRST_KERNEL_SIZE = 7
FAST_FIRST_STRIDE = (2, 1)
FAST_STRIDES = (1, 2, 2, 1)
ATTENTION_CHANNELS = 128


class SeBasicBlock(BasicBlock):
    """Two 3x3 convolutions and channel gates beside a shortcut; the first convolution is rectified before its norm.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    stride : (int, int)
        Of the first convolution, over (mels, frames).

    References
    ----------
    Hu et al., "Squeeze-and-excitation networks", 2018, Figure 3, https://arxiv.org/abs/1709.01507.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: tuple[int, int]) -> None:
        super().__init__(in_channels, channels, stride=stride)
        self.gates = SqueezeExcitation(channels, se_channels=channels // REDUCTION)

    def residual(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return what is added to the shortcut."""
        hidden = self.first.norm(functional.relu(self.first.conv(mask_frames(x, num_frames)), inplace=True))
        after = strided(num_frames, self.frame_stride)
        y = self.second(hidden, after)
        return y * self.gates(y.mean(dim=2), after).unsqueeze(3)


class ResNetSe34L(PooledModel):
    """ResNetSE34L, the paper's Fast ResNet-34: ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A 7x7 convolution that halves the mels, four stages of 3, 4, 6 and 3 gated residual blocks, of which the middle two
    halve mels and frames, the mean over mels, self-attentive pooling, and one linear layer. The published model has 40
    mels, normalised in mean and variance over the utterance.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first stage (16); each later one has twice as many as the one before.
    embedding_dim : int
        Values per embedding (512).

    References
    ----------
    Chung et al., "In defence of metric learning for speaker recognition", Interspeech 2020,
    https://arxiv.org/abs/2003.11982. Layers: clovaai/voxceleb_trainer, ``models/ResNetSE34L.py``.

    Examples
    --------
    >>> import torch
    >>> ResNetSe34L(num_mels=40, channels=8, embedding_dim=6)(torch.zeros(2, 30, 40)).shape
    torch.Size([2, 6])
    """

    frame_stride = math.prod(FAST_STRIDES)

    def __init__(self, *, num_mels: int, channels: int, embedding_dim: int) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = ConvNorm(1, channels, kernel_size=FAST_FIRST_KERNEL_SIZE, stride=FAST_FIRST_STRIDE)
        self.stages = Stages(SeBasicBlock, channels, channels=channels, depths=DEPTHS, strides=FAST_STRIDES)
        self.pooling = SelfAttentivePooling(self.stages.out_channels)
        self.embedding = nn.Linear(self.stages.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels, ceil(frames / 4)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        image = functional.relu(self.first(features.transpose(1, 2).unsqueeze(1), num_frames), inplace=True)
        return self.stages(image, num_frames).mean(dim=2), strided(num_frames, self.frame_stride)


class ResNetSe34V2(PooledModel):
    """ResNetSE34V2, the performance model: ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A 3x3 convolution, four stages of 3, 4, 6 and 3 gated residual blocks, of which the last three halve mels and
    frames, attentive statistics pooling of each (channel, mel) without context and tanh, and one linear layer. The
    published model has 64 mels, normalised in mean and variance over the utterance.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first stage (32); each later one has twice as many as the one before.
    embedding_dim : int
        Values per embedding (512).

    References
    ----------
    Heo et al., "Clova baseline system for the VoxCeleb Speaker Recognition Challenge 2020" (H / ASP),
    https://arxiv.org/abs/2009.14153. Layers: clovaai/voxceleb_trainer, ``models/ResNetSE34V2.py``.

    Examples
    --------
    >>> import torch
    >>> ResNetSe34V2(num_mels=64, channels=8, embedding_dim=6)(torch.zeros(2, 30, 64)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(self, *, num_mels: int, channels: int, embedding_dim: int) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.first = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(channels)
        )
        self.stages = Stages(SeBasicBlock, channels, channels=channels, depths=DEPTHS)
        width = self.stages.out_channels * math.ceil(num_mels / FRAME_STRIDE)
        self.pooling = AttentiveStatisticsPooling(
            width, attention_channels=ATTENTION_CHANNELS, tanh=False, context=False
        )
        self.embedding = nn.Linear(2 * width, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        image = self.first(mask_frames(features.transpose(1, 2), num_frames).unsqueeze(1))
        return self.stages(image, num_frames).flatten(1, 2), strided(num_frames, FRAME_STRIDE)
