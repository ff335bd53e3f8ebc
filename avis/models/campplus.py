"""CAM++ (Wang et al., 2023): a densely connected TDNN whose layers mask themselves by their context."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import check_features
from avis.models.masking import inside, mask_frames, mean_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import StatisticsPooling
from avis.models.residual import BasicBlock, ConvNorm, Stage

DENSE_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each densely connected block."""
FIRST_KERNEL_SIZE = 5
STRIDE = 2
LAYER_KERNEL_SIZE = 3
BOTTLENECK = 4
"""A dense layer's bottleneck, in multiples of its growth."""
REDUCTION = 2
"""How much narrower the mask's hidden layer is than the bottleneck."""
SEGMENT_FRAMES = 100
HEAD_BLOCKS = 2
HEAD_STAGES = 2


def norm_relu(channels: int) -> nn.Module:
    """Return batch normalisation and ReLU, which in a dense network come before the convolution."""
    return nn.Sequential(nn.BatchNorm1d(channels), nn.ReLU(inplace=True))


class ConvolutionModule(nn.Module):
    """Residual blocks on the features as an image (the paper's FCM): mels become an eighth, all frames are kept.

    Parameters
    ----------
    channels : int
        Channels of all its convolutions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = {"channels": channels, "out_channels": channels, "depth": HEAD_BLOCKS}
        self.first = ConvNorm(1, channels, kernel_size=3)
        self.stages = nn.ModuleList(Stage(BasicBlock, channels, **sizes, stride=(2, 1)) for _ in range(HEAD_STAGES))
        self.last = ConvNorm(channels, channels, kernel_size=3, stride=(2, 1))

    def forward(self, features: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, frames, mels]`` to ``[batch, channels * ceil(mels / 8), frames]``."""
        x = functional.relu(self.first(features.transpose(1, 2).unsqueeze(1), num_frames), inplace=True)
        for stage in self.stages:
            x = stage(x, num_frames)
        return functional.relu(self.last(x, num_frames), inplace=True).flatten(1, 2)


class ContextAwareMasking(nn.Module):
    """A convolution, multiplied by gates in (0, 1) that see the means of the utterance and of the frame's segment.

    The gates are the same for the 100 frames of a segment, so they are computed once for each.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    dilation : int
        Of the convolution, in frames.

    References
    ----------
    Wang et al., 2023, https://arxiv.org/abs/2303.00332.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels, out_channels, LAYER_KERNEL_SIZE, padding=dilation, dilation=dilation, bias=False
        )
        self.squeeze = nn.Conv1d(in_channels, in_channels // REDUCTION, 1)
        self.excite = nn.Conv1d(in_channels // REDUCTION, out_channels, 1)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, frames]`` to ``[batch, out_channels, frames]``."""
        x = mask_frames(x, num_frames)
        segments = functional.avg_pool1d(x, SEGMENT_FRAMES, SEGMENT_FRAMES, ceil_mode=True)
        if num_frames is not None:
            own = inside(x, num_frames).to(x.dtype)
            share = functional.avg_pool1d(own, SEGMENT_FRAMES, SEGMENT_FRAMES, ceil_mode=True)
            segments = segments / share.clamp(min=1 / SEGMENT_FRAMES)
        context = mean_frames(x, num_frames) + segments
        gates = torch.sigmoid(self.excite(functional.relu(self.squeeze(context))))
        return self.conv(x) * gates.repeat_interleave(SEGMENT_FRAMES, dim=2)[:, :, : x.shape[2]]


class DenseLayer(nn.Module):
    """A bottleneck (batch normalisation, ReLU, 1x1 convolution), batch normalisation, ReLU, and a masked convolution.

    Parameters
    ----------
    channels : int
        Channels of the input.
    growth : int
        Channels of the output.
    dilation : int
        Of the masked convolution, in frames.
    """

    def __init__(self, channels: int, *, growth: int, dilation: int) -> None:
        super().__init__()
        width = BOTTLENECK * growth
        self.bottleneck = nn.Sequential(
            norm_relu(channels), nn.Conv1d(channels, width, 1, bias=False), norm_relu(width)
        )
        self.masking = ContextAwareMasking(width, growth, dilation=dilation)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, growth, frames]``."""
        return self.masking(self.bottleneck(x), num_frames)


class DenseBlock(nn.Module):
    """Layers that each see the block's input and the outputs of all layers before them, then a halving 1x1 convolution.

    Parameters
    ----------
    channels : int
        Channels of the input.
    growth : int
        Channels that each layer adds.
    num_layers : int
        Layers.
    dilation : int
        Of the layers' convolutions, in frames.

    References
    ----------
    Yu and Li, "Densely connected time delay neural network for speaker verification", Interspeech 2020.
    """

    def __init__(self, channels: int, *, growth: int, num_layers: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(before, growth=growth, dilation=dilation)
            for before in range(channels, channels + num_layers * growth, growth)
        )
        after = channels + num_layers * growth
        self.out_channels = after // 2
        self.transition = nn.Sequential(norm_relu(after), nn.Conv1d(after, self.out_channels, 1, bias=False))

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, (channels + num_layers * growth) / 2, frames]``."""
        for layer in self.layers:
            x = torch.cat([x, layer(x, num_frames)], dim=1)
        return self.transition(x)


class CamPlusPlus(PooledModel):
    """CAM++: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    Residual blocks on the image, a convolution that halves the frames, three densely connected blocks of 12, 24 and
    16 layers, temporal statistics pooling, and a linear layer with batch normalisation without scale and offset.
    Weights of 1-D convolutions start as in the public code (normal, He et al.'s deviation).

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too. Segments
    are counted from the first frame, so the embedding depends a little on where an utterance begins.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    head_channels : int
        Channels of the residual blocks (32 in the paper).
    channels : int
        Channels the frames enter the dense blocks with (128 in the paper).
    growth : int
        Channels each dense layer adds (32 in the paper).
    embedding_dim : int
        Values per embedding (512 for VoxCeleb).

    References
    ----------
    Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking",
    Interspeech 2023, https://arxiv.org/abs/2303.00332. Layers: modelscope/3D-Speaker, ``speakerlab/models/campplus``;
    wenet-e2e/wespeaker, ``wespeaker/models/campplus.py``, with 7.18 M parameters.

    Examples
    --------
    >>> sizes = dict(head_channels=2, channels=8, growth=2, embedding_dim=4)
    >>> CamPlusPlus(num_mels=80, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 4])
    """

    frame_stride = STRIDE

    def __init__(self, *, num_mels: int, head_channels: int, channels: int, growth: int, embedding_dim: int) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.embedding_dim = embedding_dim
        self.head = ConvolutionModule(head_channels)
        rows = math.ceil(num_mels / 2 ** (HEAD_STAGES + 1))
        self.first = nn.Sequential(
            nn.Conv1d(head_channels * rows, channels, FIRST_KERNEL_SIZE, STRIDE, FIRST_KERNEL_SIZE // 2, bias=False),
            norm_relu(channels),
        )
        blocks: list[nn.Module] = []
        for num_layers, dilation in DENSE_BLOCKS:
            block = DenseBlock(channels, growth=growth, num_layers=num_layers, dilation=dilation)
            blocks.append(block)
            channels = block.out_channels
        self.blocks = nn.ModuleList(blocks)
        self.norm_relu = norm_relu(channels)
        self.pooling = StatisticsPooling(channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim, bias=False)
        self.embedding_norm = nn.BatchNorm1d(embedding_dim, affine=False)
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels, ceil(frames / 2)]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        x = self.first(mask_frames(self.head(features, num_frames), num_frames))
        num_frames = strided(num_frames, STRIDE)
        for block in self.blocks:
            x = block(x, num_frames)
        return self.norm_relu(x), num_frames

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding_norm(self.embedding(pooled))
