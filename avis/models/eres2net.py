"""ERes2Net (Chen et al., 2023) and ERes2NetV2 (2024): a Res2Net that fuses groups and stages by attention."""

import torch
from torch import Tensor, nn

from avis.models.masking import mask_frames, strided
from avis.models.pooled import PooledModel
from avis.models.pooling import StatisticsPooling
from avis.models.res2net import Res2Bottleneck
from avis.models.residual import FRAME_STRIDE, STRIDES, Trunk

REDUCTION = 4
"""How much narrower the fusion's hidden layer is than what is fused."""
FIRST_FUSING_STAGE = 2
"""Blocks of this stage and later ones fuse their groups by attention, earlier ones add them."""


class AttentionalFusion(nn.Module):
    """Attentional feature fusion (AFF): ``(1 + g) x + (1 - g) y``, with ``g`` in (-1, 1) from both.

    Parameters
    ----------
    channels : int
        Of each of the two.

    References
    ----------
    Chen et al., 2023, https://arxiv.org/abs/2305.12838; after Dai et al., "Attentional feature fusion", 2020,
    https://arxiv.org/abs/2009.14082.

    Examples
    --------
    >>> image = torch.zeros(2, 8, 10, 30)
    >>> AttentionalFusion(8)(image, image).shape
    torch.Size([2, 8, 10, 30])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.attention = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.SiLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Tanh(),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two tensors ``[batch, channels, mels, frames]`` to one."""
        gates = self.attention(torch.cat([x, y], dim=1))
        return x * (1 + gates) + y * (1 - gates)


class ERes2Net(PooledModel):
    """ERes2Net and ERes2NetV2: features ``[batch, frames, mels]`` to embeddings ``[batch, embedding_dim]``.

    A Res2Net all of whose groups are convolved. In the last two stages a group is fused with its predecessor by
    attention (local feature fusion). From the bottom up, the output of a stage, halved in mels and frames and doubled
    in channels by a strided convolution, is fused with that of the next (global or bottom-up feature fusion, BFF);
    what comes out at the top is pooled. ERes2Net fuses all four stages, ERes2NetV2 the last two, with wider channels
    and narrower groups.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame.
    channels : int
        Channels of the first convolution (32 in the base model, 64 in the large one and in V2).
    depths : list of int
        Residual blocks in each of the four stages: [3, 4, 6, 3].
    base_width : int
        Channels of a group, in 64ths of the block's (32, in V2 26).
    scale : int
        Channel groups of a block (2).
    num_fused_stages : int
        How many of the last stages are fused (4, in V2 2).
    embedding_dim : int
        Values per embedding (192 in 3D-Speaker).

    Raises
    ------
    ValueError
        If there are not four stages, one has no block, channels cannot be split, or other than 2 to 4 stages are fused.

    References
    ----------
    Chen et al., "An Enhanced Res2Net with Local and Global Feature Fusion for Speaker Verification", Interspeech 2023,
    https://arxiv.org/abs/2305.12838. Chen et al., "ERes2NetV2: Boosting Short-Duration Speaker Verification Performance
    with Computational Efficiency", Interspeech 2024, https://arxiv.org/abs/2406.02167. Layers and sizes:
    modelscope/3D-Speaker, ``speakerlab/models/eres2net``; wenet-e2e/wespeaker, ``wespeaker/models/eres2net.py``.

    Examples
    --------
    >>> sizes = dict(channels=4, depths=[1, 1, 1, 1], base_width=32, scale=2, num_fused_stages=4, embedding_dim=6)
    >>> ERes2Net(num_mels=80, **sizes)(torch.zeros(2, 30, 80)).shape
    torch.Size([2, 6])
    """

    frame_stride = FRAME_STRIDE

    def __init__(
        self,
        *,
        num_mels: int,
        channels: int,
        depths: list[int],
        base_width: int,
        scale: int,
        num_fused_stages: int,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        if not 2 <= num_fused_stages <= len(STRIDES):
            raise ValueError(
                f"stages are fused with one another: got num_fused_stages={num_fused_stages}, expected 2, 3 or 4. At "
                "model.num_fused_stages. Correct it."
            )

        def block(in_channels: int, width: int, *, stride: tuple[int, int]) -> nn.Module:
            fusion = AttentionalFusion if width >= channels * 2**FIRST_FUSING_STAGE else None
            return Res2Bottleneck(
                in_channels,
                width,
                stride=stride,
                base_width=base_width,
                scale=scale,
                convolve_last=True,
                fusion=fusion,
            )

        self.embedding_dim = embedding_dim
        expansion = Res2Bottleneck.expansion
        self.trunk = Trunk(block, num_mels=num_mels, channels=channels, depths=depths, expansion=expansion)
        self.first_fused = len(STRIDES) - num_fused_stages
        widths = [expansion * channels * 2**stage for stage in range(self.first_fused + 1, len(STRIDES))]
        self.halvings = nn.ModuleList(nn.Conv2d(w // 2, w, 3, stride=2, padding=1, bias=False) for w in widths)
        self.fusions = nn.ModuleList(AttentionalFusion(width) for width in widths)
        self.pooling = StatisticsPooling(self.trunk.out_channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, channels * mels, ceil(frames / 8)]``; see `PooledModel.pooled_frames`."""
        x = fused = self.trunk.image(features, num_frames)
        for index, (stage, stride) in enumerate(zip(self.trunk.stages, STRIDES, strict=True)):
            x = stage(x, num_frames)
            fused = x if index <= self.first_fused else self.fuse(index, x, mask_frames(fused, num_frames))
            num_frames = strided(num_frames, stride)
        return fused.flatten(1, 2), num_frames

    def fuse(self, index: int, x: Tensor, below: Tensor) -> Tensor:
        """Return the output of stage ``index``, fused with what was fused below it."""
        before = index - self.first_fused - 1
        return self.fusions[before](x, self.halvings[before](below))
