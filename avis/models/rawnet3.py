"""RawNet3 (Jung et al., 2022): speaker embeddings of waveforms, which it filters with learnt band-passes."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.blocks import Res2Block, TdnnBlock
from avis.models.masking import mask_frames, mean_frames
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling
from avis.models.precision import as_input, without_autocast

PRE_EMPHASIS = 0.97
VARIANCE_OFFSET = 1e-4
KERNEL_SAMPLES = 251
STRIDE_SAMPLES = 10
LOG_OFFSET = 1e-6
MIN_LOW_HZ = 50.0
MIN_BAND_HZ = 50.0
FIRST_HZ = 30.0
"""Where the lowest band starts before training, above ``MIN_LOW_HZ``."""
CHANNELS_PER_FILTER = 4
BLOCK_KERNEL_SIZE = 3
POOLING_FLOOR = 1e-4
"""Smallest variance that is pooled."""
BLOCK_DILATIONS = (2, 3, 4)
POOLS = (5, 3, 1)
"""How many frames each block makes one of."""
MIN_SAMPLES = KERNEL_SAMPLES + (math.prod(POOLS) - 1) * STRIDE_SAMPLES
"""That one frame is pooled from: 25 ms at 16 kHz."""


class AnalyticFilters(nn.Module):
    """Pairs of band-passes, a quarter of a period apart, whose edges are learnt, and the logarithm of their outputs.

    With centre ``c`` and width ``b`` in Hz, a pair is ``sinc(b t) cos(2 pi c t)`` and ``sinc(b t) sin(2 pi c t)``,
    times a Hamming window; asteroid's ``ParamSincFB`` writes the same as differences. Bands start out equally wide on
    the mel scale. The magnitudes' logarithms have a mean of zero over the utterance.

    Parameters
    ----------
    num_filters : int
        Even; half of it are pairs (256 filters in the published code).
    sample_rate : int
        Of the waveforms, in Hz.

    References
    ----------
    Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet", SLT 2018,
    https://arxiv.org/abs/1808.00158; pairs: Pariente et al., "Filterbank design for end-to-end speech separation",
    ICASSP 2020, https://arxiv.org/abs/1910.10400.
    """

    times: Tensor
    window: Tensor

    def __init__(self, num_filters: int, *, sample_rate: int) -> None:
        super().__init__()
        last_hz = sample_rate / 2 - MIN_LOW_HZ - MIN_BAND_HZ
        low, high = (2595 * math.log10(1 + hz / 700) for hz in (FIRST_HZ, last_hz))
        edges_hz = 700 * (10 ** (torch.linspace(low, high, num_filters // 2 + 1) / 2595) - 1)
        self.highest_hz = sample_rate / 2
        self.low_hz = nn.Parameter(edges_hz[:-1])
        self.band_hz = nn.Parameter(edges_hz.diff())
        half = KERNEL_SAMPLES // 2
        self.register_buffer("times", torch.arange(-half, half + 1) / sample_rate, persistent=False)
        self.register_buffer("window", torch.hamming_window(KERNEL_SAMPLES, periodic=False), persistent=False)

    def filters(self) -> Tensor:
        """Return the filters ``[num_filters, kernel]``, the cosines first."""
        low = MIN_LOW_HZ + self.low_hz.abs()
        high = (low + MIN_BAND_HZ + self.band_hz.abs()).clamp(max=self.highest_hz)
        envelope = torch.sinc((high - low).unsqueeze(1) * self.times) * self.window
        angles = math.pi * (low + high).unsqueeze(1) * self.times
        return torch.cat([envelope * angles.cos(), envelope * angles.sin()])

    def forward(self, waveforms: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """Map ``[batch, 1, samples]`` to ``[batch, num_filters, (samples - 251) // 10 + 1]``."""
        filtered = functional.conv1d(waveforms, self.filters().unsqueeze(1), stride=STRIDE_SAMPLES)
        frames = (filtered.abs() + LOG_OFFSET).log()
        return frames - mean_frames(frames, self.num_frames(num_samples))

    @staticmethod
    def num_frames(num_samples: Tensor | None) -> Tensor | None:
        """Return how many frames each waveform gives."""
        return num_samples if num_samples is None else (num_samples - KERNEL_SAMPLES) // STRIDE_SAMPLES + 1


class WaveformNorm(nn.Module):
    """Pre-emphasis, then mean zero and variance one over each waveform, with a learnt scale and offset."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, waveforms: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """Map ``[batch, 1, samples]`` to the same shape, and set what lies beyond an utterance's end to zero."""
        before = torch.cat([waveforms[..., :2][..., -1:], waveforms[..., :-1]], dim=2)
        emphasised = waveforms - PRE_EMPHASIS * before
        centred = emphasised - mean_frames(emphasised, num_samples)
        variance = mean_frames(centred.square(), num_samples)
        normalised = centred / (variance + VARIANCE_OFFSET).sqrt() * self.scale + self.offset
        return mask_frames(normalised, num_samples)


class FeatureMapScaling(nn.Module):
    """AFMS: add a learnt number to each channel, and multiply it with a gate in (0, 1) that sees all channels' means.

    Parameters
    ----------
    channels : int
        Channels in and out.

    References
    ----------
    Jung et al., "alpha-feature map scaling for raw waveform speaker verification", 2020, J. Acoust. Soc. Korea 39 (5).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))
        self.gates = nn.Linear(channels, channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]``, ``num_frames`` of each the utterance's, to the same shape."""
        gates = torch.sigmoid(self.gates(mean_frames(x, num_frames).squeeze(2)))
        return (x + self.alpha) * gates.unsqueeze(2)


class AfmsRes2Block(nn.Module):
    """1x1 convolution, dilated Res2 convolutions and 1x1 convolution beside a shortcut, maxima over frames, AFMS.

    The published code convolves the first group and passes on the last, ECAPA-TDNN the other way round: with a learnt
    1x1 convolution on both sides they differ in the order of channels only.

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    dilation : int
        Of the Res2 convolutions, in frames.
    scale : int
        Number of Res2 channel groups.
    pool : int
        How many frames become one.
    """

    def __init__(self, in_channels: int, channels: int, *, dilation: int, scale: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.convs = nn.ModuleList(
            [
                TdnnBlock(in_channels, channels),
                Res2Block(channels, kernel_size=BLOCK_KERNEL_SIZE, dilation=dilation, scale=scale),
                TdnnBlock(channels, channels),
            ]
        )
        same = in_channels == channels
        self.shortcut = nn.Identity() if same else nn.Conv1d(in_channels, channels, 1, bias=False)
        self.scaling = FeatureMapScaling(channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, in_channels, frames]`` to ``[batch, channels, frames // pool]``."""
        y = x
        for conv in self.convs:
            y = conv(y, num_frames)
        return self.scaling(functional.max_pool1d(y + self.shortcut(x), self.pool), fewer(num_frames, self.pool))


def fewer(num_frames: Tensor | None, pool: int) -> Tensor | None:
    """Return how many frames are left of each utterance when ``pool`` whole ones become one."""
    return num_frames if num_frames is None else num_frames // pool


class RawNet3(PooledModel):
    """RawNet3: waveforms ``[batch, samples, 1]`` to embeddings ``[batch, embedding_dim]``.

    Pre-emphasis, normalisation and learnt band-passes every 10 samples, in float32 under autocast too; three Res2
    blocks that leave one frame of 150 samples; all blocks' outputs, attentive statistics pooling without tanh, batch
    normalisation and a linear layer. Waveforms under 391 samples are filled up with zeros.

    Training needs two or more utterances in a batch, and its batch normalisation counts padded frames too.

    Parameters
    ----------
    sample_rate : int
        Of the waveforms, in Hz.
    channels : int
        Channels of the blocks (1024 in the paper), and four times the number of filters; a multiple of 8 and ``scale``.
    embedding_dim : int
        Values per embedding (256).
    mfa_channels : int
        Channels of the multi-layer feature aggregation (1536).
    attention_channels : int
        Bottleneck of the pooling's attention (128).
    scale : int
        Res2 channel groups (8).

    Raises
    ------
    ValueError
        If ``channels`` does not split into filters or groups.

    References
    ----------
    Jung et al., "Pushing the limits of raw waveform speaker recognition", Interspeech 2022,
    https://arxiv.org/abs/2203.08488. Layers: clovaai/voxceleb_trainer, ``models/RawNet3.py`` (whose first batch
    normalisation is not used, and left out here).

    Examples
    --------
    >>> sizes = dict(channels=16, embedding_dim=4, mfa_channels=24, attention_channels=8, scale=4)
    >>> RawNet3(sample_rate=16000, **sizes)(torch.zeros(2, 4000, 1)).shape
    torch.Size([2, 4])
    """

    frame_stride = math.prod(POOLS) * STRIDE_SAMPLES

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int,
        embedding_dim: int,
        mfa_channels: int,
        attention_channels: int,
        scale: int,
    ) -> None:
        super().__init__()
        num_filters = channels // CHANNELS_PER_FILTER
        if channels % (2 * CHANNELS_PER_FILTER):
            raise ValueError(
                f"channels must give pairs of filters: got channels={channels}, expected a multiple of "
                f"{2 * CHANNELS_PER_FILTER}. At model.channels. Change it."
            )
        self.embedding_dim = embedding_dim
        self.norm = WaveformNorm()
        self.filters = AnalyticFilters(num_filters, sample_rate=sample_rate)
        self.blocks = nn.ModuleList(
            AfmsRes2Block(before, channels, dilation=dilation, scale=scale, pool=pool)
            for before, dilation, pool in zip((num_filters, channels, channels), BLOCK_DILATIONS, POOLS, strict=True)
        )
        self.aggregation = nn.Conv1d(len(POOLS) * channels, mfa_channels, 1)
        self.pooling = AttentiveStatisticsPooling(
            mfa_channels,
            attention_channels=attention_channels,
            tanh=False,
            sample_deviation=True,
            floor=POOLING_FLOOR,
        )
        self.pooling_norm = nn.BatchNorm1d(2 * mfa_channels)
        self.embedding = nn.Linear(2 * mfa_channels, embedding_dim)

    def frames(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """Return the logarithms of the filters' outputs, ``[batch, channels / 4, frames]``."""
        with without_autocast(features.device):
            wide = features.to(torch.promote_types(features.dtype, torch.float32)).transpose(1, 2)
            normalised = self.norm(wide, num_samples)
            missing = max(0, MIN_SAMPLES - features.shape[1])
            padded = as_input(functional.pad(normalised, (0, missing)), features)
            return self.filters(padded, at_least(num_samples))

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, mfa_channels, frames]`` of 150 samples; see `PooledModel.pooled_frames`."""
        if features.ndim != 3 or features.shape[1] == 0 or features.shape[2] != 1:
            raise ValueError(
                f"RawNet3 filters waveforms itself: got features.shape={list(features.shape)}, expected [batch, "
                "samples >= 1, 1]. At features. Choose features=raw."
            )
        first = self.frames(features, num_frames)
        num_frames = self.filters.num_frames(at_least(num_frames))
        early = self.blocks[0](first, num_frames)
        num_frames = fewer(num_frames, POOLS[0])
        middle = self.blocks[1](early, num_frames)
        num_frames = fewer(num_frames, POOLS[1])
        pooled_early = functional.max_pool1d(early, POOLS[1])
        late = self.blocks[2](pooled_early + middle, num_frames)
        together = self.aggregation(torch.cat([pooled_early, middle, late], dim=1))
        return functional.relu(together, inplace=True), num_frames

    def first_frame(self, num_frames: int) -> float:
        """See `PooledModel.first_frame`; frames of the features are samples."""
        return (MIN_SAMPLES - self.frame_stride) / 2

    def embedding_head(self, pooled: Tensor) -> Tensor:
        """See `PooledModel.embedding_head`."""
        return self.embedding(self.pooling_norm(pooled))


def at_least(num_samples: Tensor | None) -> Tensor | None:
    """Return the waveforms' lengths, each of them filled up to what one frame is pooled from."""
    return num_samples if num_samples is None else num_samples.clamp(min=MIN_SAMPLES)
