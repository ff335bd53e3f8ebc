"""SimAM-ResNet (Qin et al., 2022): a ResNet whose blocks weigh each value by how far it is from its channel's mean."""

import torch
from torch import Tensor, nn

from avis.models.masking import mean_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.precision import as_input
from avis.models.residual import FRAME_STRIDE, BasicBlock, Trunk

REGULARIZER = 1e-4
"""The paper's lambda: added to the variance."""
ATTENTION_CHANNELS = 128


def simam_weights(x: Tensor, num_frames: Tensor | None = None) -> Tensor:
    """Return weights in (0.5, 1) of the shape of ``x`` ``[batch, channels, mels, frames]``, without any parameter.

    They are the sigmoid of the inverse energy, ``(x - mean)^2 / (4 (variance + lambda)) + 1/2``, the mean and variance
    being those of a channel over mels and the utterance's frames. They are computed in float32 under autocast.

    References
    ----------
    Yang et al., "SimAM: A simple, parameter-free attention module for convolutional neural networks", ICML 2021, Eq. 5.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = mean_frames(wide, num_frames).mean(dim=2, keepdim=True)
    squared = (wide - mean).square()
    variance = mean_frames(squared, num_frames).mean(dim=2, keepdim=True)
    frames = torch.tensor(x.shape[3], device=x.device) if num_frames is None else num_frames.view(-1, 1, 1, 1)
    count = x.shape[2] * frames
    variance = variance * count / (count - 1).clamp(min=1)
    return torch.sigmoid(squared / (4 * (variance + REGULARIZER)) + 0.5)


class SimAmBlock(BasicBlock):
    """Two 3x3 convolutions, weighed by SimAM, beside a shortcut."""

    def residual(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return what is added to the shortcut."""
        y = super().residual(x, num_frames)
        return y * as_input(simam_weights(y, strided(num_frames, self.frame_stride)), y)


class SimAmResNet(PooledModel):
    """SimAM-ResNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    The r-vector's layout with SimAM in each block, and attentive statistics pooling of each (channel, mel), without
    context and tanh, in place of temporal statistics pooling.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first stage (64 in wespeaker).
    depths : list of int
        Residual blocks in each of the four stages: [3, 4, 6, 3] is SimAM-ResNet34, [6, 16, 24, 3] SimAM-ResNet100.
    embedding_dim : int
        Values per embedding (256 in wespeaker).

    Raises
    ------
    ValueError
        If there are not four stages, or one has no block.

    References
    ----------
    Qin et al., "Simple attention module based speaker verification with iterative noisy label detection", ICASSP 2022,
    https://arxiv.org/abs/2110.06534. Layers and sizes: wenet-e2e/wespeaker, ``wespeaker/models/samresnet.py``.

    Examples
    --------
    >>> model = SimAmResNet(num_mels=80, channels=4, depths=[1, 1, 1, 1], embedding_dim=6)
    >>> model(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(self, *, num_mels: int, channels: int, depths: list[int], embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.trunk = Trunk(SimAmBlock, num_mels=num_mels, channels=channels, depths=depths)
        width = self.trunk.out_channels
        self.pooling = AttentiveStatisticsPooling(
            width, attention_channels=ATTENTION_CHANNELS, tanh=False, context=False
        )
        self.embedding = nn.Linear(2 * width, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        return self.trunk(features, num_frames), strided(num_frames, FRAME_STRIDE)
