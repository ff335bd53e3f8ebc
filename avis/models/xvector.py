"""x-vector (Snyder et al., 2018): the time-delay network that began neural speaker embeddings."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from avis.models.blocks import Padding, TdnnBlock, check_features
from avis.models.masking import inner_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import Pooling

KERNELS = ((5, 1), (3, 2), (3, 3), (1, 1))
"""Taps and dilation of the layers before the last."""
CONTEXT = sum(taps // 2 * dilation for taps, dilation in KERNELS)
"""Frames that a pooled one has seen on either side of it."""


@dataclass(frozen=True)
class Reading:
    """How an implementation deals with an utterance's ends, and rectifies.

    Parameters
    ----------
    padding_mode : Padding
        What convolutions see beyond the ends.
    slope : float
        Of the rectifiers below zero.
    ends : bool
        Whether frames are pooled that have seen something beyond the ends.
    """

    padding_mode: Padding = "zeros"
    slope: float = 0.0
    ends: bool = True


READINGS = {
    "padded": Reading(),
    "speechbrain": Reading(padding_mode="reflect", slope=0.01),
    "wespeaker": Reading(ends=False),
}


class XVector(PooledModel):
    """x-vector: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Four convolutions over frames and one that widens (frame1 to frame5 of the paper), statistics pooling, and one or
    two linear layers (segment6, segment7). The paper classifies after segment7 and takes its embeddings from segment6;
    here the loss sees the embeddings themselves, so one layer ends at segment6, as in 3D-Speaker, and two layers at
    segment7, as in wespeaker. Those leave out the seven frames at either end whose context is not whole; here, unless
    ``reading`` says otherwise, convolutions see zeros there. Batch normalisation has scale and offset.

    With `PosteriorPooling` this is the xi-vector. Training needs two or more utterances in a batch, and its batch
    normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first four convolutions (512 in the paper).
    pooled_channels : int
        Channels of the last (1500).
    pooling : callable
        Builds the pooling layer from the number of its channels (`StatisticsPooling` in the paper).
    num_segment_layers : int
        Linear layers: 1 or 2.
    embedding_dim : int
        Values per embedding (512).
    reading : str
        ``"padded"``; ``"speechbrain"`` or ``"wespeaker"`` (3D-Speaker too) for models trained there.

    Raises
    ------
    ValueError
        For another number of segment layers, or an unknown reading.

    References
    ----------
    Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018, Table 1;
    Lee, Wang and Koshinaka, "Xi-vector embedding for speaker recognition", IEEE Signal Processing Letters 28, 2021,
    https://arxiv.org/abs/2108.05679. Sizes: wenet-e2e/wespeaker, ``wespeaker/models/tdnn.py``.

    Examples
    --------
    >>> import torch
    >>> from avis.models.pooling import StatisticsPooling
    >>> sizes = dict(channels=8, pooled_channels=12, num_segment_layers=1, embedding_dim=6)
    >>> XVector(num_mels=80, pooling=StatisticsPooling, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        pooled_channels: int,
        pooling: Callable[[int], Pooling],
        num_segment_layers: int,
        embedding_dim: int,
        reading: str = "padded",
    ) -> None:
        super().__init__()
        if num_segment_layers not in (1, 2):
            raise ValueError(
                f"an x-vector has one or two segment layers: got num_segment_layers={num_segment_layers}, expected 1 "
                "or 2. At model.num_segment_layers. Choose one of these."
            )
        if reading not in READINGS:
            raise ValueError(
                f"unknown reading of the paper: got reading={reading!r}, expected one of {sorted(READINGS)}. At "
                "model.reading. Choose one of these."
            )
        read = READINGS[reading]
        padding, slope = read.padding_mode, read.slope
        self.ends = read.ends
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        before = (num_mels, *(channels for _ in KERNELS[1:]))
        self.frames = nn.ModuleList(
            TdnnBlock(width, channels, kernel_size=taps, dilation=dilation, padding_mode=padding, slope=slope)
            for width, (taps, dilation) in zip(before, KERNELS, strict=True)
        )
        self.widen = TdnnBlock(channels, pooled_channels, slope=slope)
        self.pooling = pooling(pooled_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)
        self.second = (
            nn.Sequential(nn.ReLU(), nn.BatchNorm1d(embedding_dim), nn.Linear(embedding_dim, embedding_dim))
            if num_segment_layers == 2
            else nn.Identity()
        )
        self.affine_head = num_segment_layers == 1

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, pooled_channels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = features.transpose(1, 2)
        for layer in self.frames:
            x = layer(x, num_frames)
        x = self.widen(x)
        return (x, num_frames) if self.ends else inner_frames(x, num_frames, width=CONTEXT)

    def first_frame(self, num_frames: int) -> float:
        """See `PooledModel.first_frame`."""
        return 0.0 if self.ends else float(min(CONTEXT, (num_frames - 1) // 2))

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.second(self.embedding(pooled))
