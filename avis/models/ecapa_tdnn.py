"""ECAPA-TDNN (Desplanques et al., 2020): the 1-D convolutional speaker embedding most work compares with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import Padding, Res2Block, SqueezeExcitation, TdnnBlock, check_features
from avis.models.masking import strided
from avis.models.pooled import PooledModel
from avis.models.pooling import Pooling

FIRST_KERNEL_SIZE = 5
BLOCK_KERNEL_SIZE = 3
BLOCK_DILATIONS = (2, 3, 4)


@dataclass(frozen=True)
class Reading:
    """How an implementation reads what the paper leaves open.

    Parameters
    ----------
    summed_inputs : bool
        Whether a block's input is the sum of the outputs of all layers before it (section 3.3), or the last output.
    aggregation_norm, embedding_norm : bool
        Whether the aggregation layer and the embedding are batch-normalised.
    padding_mode : Padding
        What convolutions see beyond the ends.
    """

    summed_inputs: bool
    aggregation_norm: bool
    embedding_norm: bool
    padding_mode: Padding


READINGS = {
    "paper": Reading(True, False, True, "zeros"),
    "speechbrain": Reading(False, True, False, "reflect"),
    "wespeaker": Reading(False, False, False, "zeros"),
}


class SeRes2Block(nn.Module):
    """1x1 convolution, dilated Res2 convolutions, 1x1 convolution and channel gates, with a skip connection.

    Parameters
    ----------
    channels : int
        Channels in and out.
    dilation : int
        Of the Res2 convolutions, in frames.
    se_channels : int
        Bottleneck of the squeeze-and-excitation gates.
    scale : int
        Number of Res2 channel groups.
    padding_mode : Padding
        Of the Res2 convolutions.

    References
    ----------
    Desplanques et al., 2020, Figure 1, https://arxiv.org/abs/2005.07143.
    """

    def __init__(self, channels: int, *, dilation: int, se_channels: int, scale: int, padding_mode: Padding) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            TdnnBlock(channels, channels),
            Res2Block(
                channels, kernel_size=BLOCK_KERNEL_SIZE, dilation=dilation, scale=scale, padding_mode=padding_mode
            ),
            TdnnBlock(channels, channels),
        )
        self.gates = SqueezeExcitation(channels, se_channels=se_channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        y = x
        for conv in self.convs:
            y = conv(y, num_frames)
        return torch.addcmul(x, y, self.gates(y, num_frames))


class EcapaTdnn(PooledModel):
    """ECAPA-TDNN: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    The layers follow Figure 2 of the paper, which public implementations read differently (`Reading`): ``paper`` is as
    TaoRuijie/ECAPA-TDNN. So is the attention of the pooling, ReLU, batch normalisation and tanh; wespeaker's, of tanh
    alone, cost 0.9 points of EER on held-out speakers of a small corpus.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the convolutional blocks (512 or 1024 in the paper); a multiple of ``scale``.
    embedding_dim : int
        Values per embedding (192 in the paper).
    mfa_channels : int
        Channels of the multi-layer feature aggregation (1536 in the paper for both sizes; SpeechBrain's and
        3D-Speaker's 20.8 M model has 3072).
    se_channels : int
        Bottleneck of the channel gates (128 in the paper).
    scale : int
        Res2 channel groups (8 in the paper).
    stride : int
        Frames the first convolution advances by: 1 is as published; 2 halves the frame rate, and with it the cost
        of all that follows.
    pooling : callable
        Builds the pooling layer from the number of its channels (`AttentiveStatisticsPooling` in the paper).
    reading : str
        ``"paper"``; ``"speechbrain"`` or ``"wespeaker"`` for models trained there.

    Raises
    ------
    ValueError
        If ``channels`` is not a multiple of ``scale``, or the reading is unknown.

    References
    ----------
    Desplanques, Thienpondt and Demuynck, "ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in
    TDNN Based Speaker Verification", Interspeech 2020, https://arxiv.org/abs/2005.07143. Its Table 1 gives 6.2 M
    parameters for 512 channels and 14.7 M for 1024.

    Examples
    --------
    >>> from functools import partial
    >>> from avis.models.pooling import AttentiveStatisticsPooling
    >>> pooling = partial(AttentiveStatisticsPooling, attention_channels=8)
    >>> sizes = dict(channels=16, embedding_dim=4, mfa_channels=24, se_channels=8, scale=8)
    >>> EcapaTdnn(num_mels=80, stride=1, pooling=pooling, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        embedding_dim: int,
        mfa_channels: int,
        se_channels: int,
        scale: int,
        stride: int,
        pooling: Callable[[int], Pooling],
        reading: str = "paper",
    ) -> None:
        super().__init__()
        read = _reading(reading)
        padding = read.padding_mode
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.frame_stride = stride
        self.summed_inputs = read.summed_inputs
        self.first = TdnnBlock(num_mels, channels, kernel_size=FIRST_KERNEL_SIZE, stride=stride, padding_mode=padding)
        self.blocks = nn.ModuleList(
            SeRes2Block(channels, dilation=dilation, se_channels=se_channels, scale=scale, padding_mode=padding)
            for dilation in BLOCK_DILATIONS
        )
        self.aggregation = nn.Conv1d(len(BLOCK_DILATIONS) * channels, mfa_channels, 1)
        self.aggregation_norm = nn.BatchNorm1d(mfa_channels) if read.aggregation_norm else nn.Identity()
        self.pooling = pooling(mfa_channels)
        self.pooling_norm = nn.BatchNorm1d(self.pooling.out_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim) if read.embedding_norm else nn.Identity()

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, mfa_channels, ceil(frames / stride)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        total = self.first(features.transpose(1, 2), num_frames)
        num_frames = strided(num_frames, self.frame_stride)
        outputs = []
        for block in self.blocks:
            outputs.append(block(total, num_frames))
            total = total + outputs[-1] if self.summed_inputs else outputs[-1]
        aggregated = functional.relu(self.aggregation(torch.cat(outputs, dim=1)), inplace=True)
        return self.aggregation_norm(aggregated), num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding_norm(self.embedding(self.pooling_norm(pooled)))


def _reading(name: str) -> Reading:
    if name not in READINGS:
        raise ValueError(
            f"unknown reading of the paper: got reading={name!r}, expected one of {sorted(READINGS)}. At "
            "model.reading. Choose one of these."
        )
    return READINGS[name]
