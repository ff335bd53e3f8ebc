"""TitaNet (Koluguri et al., 2022): depth-wise separable convolutions over frames, and gates that see the utterance."""

from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import SqueezeExcitation, check_features
from avis.models.masking import mask_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling

PROLOG_KERNEL_SIZE = 3
KERNEL_SIZES = (7, 11, 15)
EPILOG_KERNEL_SIZE = 1
REPEAT = 3
REDUCTION = 8
"""How much narrower the gates' hidden layer is than the block."""
NORM_OFFSET = 1e-3
ATTENTION_CHANNELS = 128
VARIANCE_FLOOR = 1e-10
"""Smallest variance before the square root, of the attention's input and of what is pooled."""


class SeparableConv(nn.Module):
    """A convolution of each channel over frames, one across channels of each frame, and batch normalisation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    kernel_size : int
        Taps, in frames; odd.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.depthwise = nn.Conv1d(
            in_channels, in_channels, kernel_size, padding=padding, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv1d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(out_channels, eps=NORM_OFFSET)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, frames]``, ``num_frames`` of each the utterance's, to ``out_channels``."""
        return self.norm(self.pointwise(self.depthwise(mask_frames(x, num_frames))))


class TitaBlock(nn.Module):
    """Separable convolutions with ReLU and dropout between, channel gates, and perhaps a projection beside it all.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    kernel_size : int
        Taps of all its convolutions, in frames; odd.
    repeat : int
        Convolutions.
    residual : bool
        Whether a projection of the input is added before the last ReLU.
    dropout : float
        Share of values dropped after each ReLU in training.

    References
    ----------
    Koluguri et al., 2022, Figure 1, https://arxiv.org/abs/2110.04410.
    """

    def __init__(
        self, in_channels: int, channels: int, *, kernel_size: int, repeat: int, residual: bool, dropout: float
    ) -> None:
        super().__init__()
        widths = (in_channels, *(channels for _ in range(repeat - 1)))
        self.convs = nn.ModuleList(SeparableConv(before, channels, kernel_size=kernel_size) for before in widths)
        self.gates = SqueezeExcitation(channels, se_channels=channels // REDUCTION, bias=False)
        self.projection = (
            nn.Sequential(nn.Conv1d(in_channels, channels, 1, bias=False), nn.BatchNorm1d(channels, eps=NORM_OFFSET))
            if residual
            else None
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, frames]``, ``num_frames`` of each the utterance's, to ``channels``."""
        y = self.convs[0](x, num_frames)
        for conv in self.convs[1:]:
            y = conv(self.dropout(functional.relu(y, inplace=True)), num_frames)
        y = y * self.gates(y, num_frames)
        return self.dropout(functional.relu(y if self.projection is None else y + self.projection(x)))


class TitaNet(PooledModel):
    """TitaNet: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A prolog, three mega blocks of three separable convolutions with kernels of 7, 11 and 15 frames, a widening epilog,
    all with channel gates that see the whole utterance, attentive statistics pooling, batch normalisation and a linear
    layer. Weights of convolutions and linear layers start as in NeMo (Glorot's uniform). The published models have 80
    mels, normalised in mean and variance over the utterance.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of prolog and mega blocks (256, 512 and 1024 in TitaNet-S, -M and -L).
    epilog_channels : int
        Channels of the epilog, which are pooled (3072).
    dropout : float
        Share of values dropped in the mega blocks in training (0.1).
    embedding_dim : int
        Values per embedding (192).

    References
    ----------
    Koluguri, Park and Ginsburg, "TitaNet: neural model for speaker representation with 1D depth-wise separable
    convolutions and global context", ICASSP 2022, https://arxiv.org/abs/2110.04410. Layers: NVIDIA/NeMo,
    ``examples/speaker_tasks/recognition/conf/titanet-large.yaml`` and ``titanet-small.yaml``, and the modules they name
    in nemo_toolkit 3.0.0. The paper's counts, 13.4 M and 25.3 M, include the weights of 16681 speakers; its 6.4 M for
    TitaNet-S is not that of NeMo's configuration (10.0 M with them), which is followed here.

    Examples
    --------
    >>> import torch
    >>> sizes = dict(channels=16, epilog_channels=24, dropout=0.1, embedding_dim=6)
    >>> TitaNet(num_mels=80, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self, *, num_mels: int, channels: int, epilog_channels: int, dropout: float, embedding_dim: int
    ) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.blocks = nn.ModuleList(
            [
                TitaBlock(num_mels, channels, kernel_size=PROLOG_KERNEL_SIZE, repeat=1, residual=False, dropout=0.0),
                *(
                    TitaBlock(channels, channels, kernel_size=size, repeat=REPEAT, residual=True, dropout=dropout)
                    for size in KERNEL_SIZES
                ),
                TitaBlock(
                    channels, epilog_channels, kernel_size=EPILOG_KERNEL_SIZE, repeat=1, residual=False, dropout=0.0
                ),
            ]
        )
        self.pooling = AttentiveStatisticsPooling(
            epilog_channels, attention_channels=ATTENTION_CHANNELS, floor=VARIANCE_FLOOR
        )
        self.pooling_norm = nn.BatchNorm1d(self.pooling.out_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, epilog_channels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = features.transpose(1, 2)
        for block in self.blocks:
            x = block(x, num_frames)
        return x, num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding(self.pooling_norm(pooled))
