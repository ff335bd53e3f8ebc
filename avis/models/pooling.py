"""Pooling layers: from one vector per frame to one vector per utterance."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.frame_statistics import (
    STATISTICS_FLOOR,
    VARIANCE_FLOOR,
    attentive_statistics,
    equal_weights,
    frame_weights,
    sample_correction,
    statistics_contributions,
    weighted_statistics,
)
from avis.models.masking import mean_frames
from avis.models.precision import as_input


class Pooling(nn.Module, ABC):
    """What every pooling layer offers the layer after it.

    Attributes
    ----------
    out_channels : int
        Values per utterance.
    """

    out_channels: int

    @abstractmethod
    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, out_channels]``.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.
        """

    @abstractmethod
    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Split what `forward` returns, at inference, into what each frame contributes, and the rest.

        The sum of both over frames is `forward`'s output but for rounding. Frames beyond an utterance's end contribute
        zero. Of a deviation, which is no sum over frames, each contributes its weighted squared distance from the mean,
        divided by the deviation: one choice among others (Euler's). So these are shares of what was pooled, and not
        what would change without the frame, as weights, means and deviations are those of all frames.

        Parameters
        ----------
        x : Tensor
            ``[batch, channels, frames]``.
        num_frames : Tensor or None
            As of `forward`.

        Returns
        -------
        tuple of Tensor
            ``[batch, out_channels, frames]``, and ``[batch, out_channels]`` of no frame: deviations at their floor, or
            a prior. Float32 or wider.
        """


class MeanPooling(Pooling):
    """Temporal average pooling (TAP): the mean of each channel over frames; float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame.

    Examples
    --------
    >>> MeanPooling(8)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, channels]``."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return as_input(mean_frames(wide, num_frames).squeeze(2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return equal_weights(wide, num_frames) * wide, torch.zeros_like(wide[:, :, 0])


class StatisticsPooling(Pooling):
    """Temporal statistics pooling (TSTP): the mean and standard deviation of each channel over frames.

    The deviation is the sample's (divisor ``frames - 1``) and its floor low, as in wespeaker and 3D-Speaker; one frame
    has the floor. Statistics are float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame.

    References
    ----------
    Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018.

    Examples
    --------
    >>> StatisticsPooling(8)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = 2 * channels

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, 2 * channels]``: the means, then the deviations."""
        mean, deviation = weighted_statistics(x, num_frames=num_frames, floor=STATISTICS_FLOOR)
        return as_input(torch.cat([mean, deviation * sample_correction(x, num_frames)], dim=1).squeeze(2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        weights, correction = equal_weights(wide, num_frames), sample_correction(x, num_frames)
        return statistics_contributions(wide, weights, floor=STATISTICS_FLOOR, correction=correction)


class DeviationPooling(Pooling):
    """Temporal standard deviation pooling (TSDP): the second half of `StatisticsPooling`.

    Parameters
    ----------
    channels : int
        Channels per frame.

    References
    ----------
    Wang et al., "Revisiting the statistics pooling layer in deep speaker embedding learning", ISCSLP 2021.

    Examples
    --------
    >>> DeviationPooling(8)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.statistics = StatisticsPooling(channels)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, channels]``."""
        return self.statistics(x, num_frames)[:, self.out_channels :]

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        frames, rest = self.statistics.contributions(x, num_frames)
        return frames[:, self.out_channels :], rest[:, self.out_channels :]


class SelfAttentivePooling(Pooling):
    """Self-attentive pooling (SAP): the mean over frames, weighted by how much each agrees with a learned vector.

    Logits and sums are float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame.

    References
    ----------
    Cai et al., "Exploring the encoding layer and loss function in end-to-end speaker and language recognition
    system", Odyssey 2018, https://arxiv.org/abs/1804.05160.

    Examples
    --------
    >>> SelfAttentivePooling(8)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.frame = nn.Conv1d(channels, channels, 1)
        self.attention = nn.Conv1d(channels, 1, 1, bias=False)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, channels]``."""
        frames, _ = self.contributions(x, num_frames)
        return as_input(frames.sum(dim=2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        weights = frame_weights(self.attention(torch.tanh(self.frame(x))).to(wide.dtype), num_frames)
        return weights * wide, torch.zeros_like(wide[:, :, 0])


class AttentiveStatisticsPooling(Pooling):
    """Attentive statistics pooling: means and standard deviations over frames that every channel weighs for itself.

    The attention sees, besides the frame, the mean and standard deviation of the whole utterance. The paper's first
    attention layer applies one matrix to the concatenation of the three; applied part by part it is the same function
    with the same parameters, but the utterance's part is computed once instead of once per frame. Its nonlinearity,
    which the paper leaves open, is ReLU, batch normalisation and tanh, as in TaoRuijie/ECAPA-TDNN and SpeechBrain;
    wespeaker has tanh alone, SKA-TDNN and RawNet3 have no tanh.

    Attention logits and statistics are float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame.
    attention_channels : int
        Width of the attention's bottleneck (128 in the paper).
    tanh : bool
        Whether the nonlinearity ends with tanh.
    norm : bool
        Whether it begins with ReLU and batch normalisation.
    context : bool
        Whether the attention sees the utterance's mean and deviation, or the frame alone.
    sample_deviation : bool
        Whether the deviation that it sees is the sample's (divisor ``frames - 1``), as in wespeaker.
    floor : float
        Smallest variance before the square root.

    References
    ----------
    Desplanques et al., 2020, section 3.1, Eq. 3-6, https://arxiv.org/abs/2005.07143.

    Examples
    --------
    >>> AttentiveStatisticsPooling(8, attention_channels=4)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        channels: int,
        *,
        attention_channels: int,
        tanh: bool = True,
        norm: bool = True,
        context: bool = True,
        sample_deviation: bool = False,
        floor: float = VARIANCE_FLOOR,
    ) -> None:
        super().__init__()
        self.sample_deviation, self.floor = sample_deviation, floor
        self.out_channels = 2 * channels
        self.frame = nn.Conv1d(channels, attention_channels, 1, bias=not context)
        self.context = nn.Linear(2 * channels, attention_channels) if context else None
        self.norm = nn.BatchNorm1d(attention_channels) if norm else None
        self.squash = nn.Tanh() if tanh else nn.Identity()
        self.attention = nn.Conv1d(attention_channels, channels, 1)

    def attention_weights(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Return the weights ``[batch, channels, frames]`` of ``x`` of the same shape; they sum to one over frames.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.
        """
        logits = self._logits(x, num_frames)
        return frame_weights(logits.to(torch.promote_types(x.dtype, torch.float32)), num_frames)

    def _logits(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        hidden = self.frame(x)
        if self.context is not None:
            mean, deviation = weighted_statistics(x, num_frames=num_frames, floor=self.floor)
            if self.sample_deviation:
                deviation = deviation * sample_correction(x, num_frames)
            context = as_input(torch.cat([mean, deviation], dim=1).squeeze(2), x)
            hidden = hidden + self.context(context).unsqueeze(2)
        if self.norm is not None:
            hidden = self.norm(functional.relu(hidden))
        logits: Tensor = self.attention(self.squash(hidden))
        return logits

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, 2 * channels]``: the means, then the deviations."""
        statistics = attentive_statistics(x, self._logits(x, num_frames), num_frames, floor=self.floor)
        return as_input(torch.cat(statistics, dim=1).squeeze(2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        return statistics_contributions(x, self.attention_weights(x, num_frames), floor=self.floor)
