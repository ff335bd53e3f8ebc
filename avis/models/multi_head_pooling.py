"""Multi-head attentive statistics pooling: groups of channels, each of which weighs frames for itself."""

import torch
from torch import Tensor, nn

from avis.models.frame_statistics import attentive_statistics, frame_weights, statistics_contributions
from avis.models.pooling import Pooling
from avis.models.precision import as_input


class MultiHeadPooling(Pooling):
    """Attentive statistics of groups of channels (MHASTP), for one or several queries (MQMHASTP).

    Each head sees its own channels only: a layer, tanh, and a layer with one logit per frame, or with ``per_channel``
    one for each of the head's channels. Every query has all heads anew.

    Attention logits and statistics are float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame; a multiple of ``num_heads``.
    num_queries : int
        How many times every channel is pooled (1 in MHASTP, 2 in wespeaker's MQMHASTP).
    num_heads : int
        Groups of channels (2 and 8).
    hidden_channels : int
        Width of a head's attention (64).
    per_channel : bool
        Whether each channel has weights of its own (wespeaker: not in MHASTP, but in MQMHASTP).

    Raises
    ------
    ValueError
        If the channels cannot be split evenly.

    References
    ----------
    India et al., "Self multi-head attention for speaker recognition", Interspeech 2019,
    https://arxiv.org/abs/1906.09890; queries: Zhao et al., "Multi-query multi-head attention pooling and inter-topK
    penalty for speaker verification", ICASSP 2022, https://arxiv.org/abs/2110.05042. Layers: wenet-e2e/wespeaker,
    ``wespeaker/models/pooling_layers.py``.

    Examples
    --------
    >>> sizes = dict(num_queries=2, num_heads=4, hidden_channels=3, per_channel=True)
    >>> MultiHeadPooling(8, **sizes)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 32])
    """

    def __init__(
        self, channels: int, *, num_queries: int, num_heads: int, hidden_channels: int, per_channel: bool
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(
                f"channels must split into heads: got channels={channels} with num_heads={num_heads}, expected a "
                "multiple of num_heads. At model.pooling.num_heads. Change it."
            )
        self.out_channels = 2 * num_queries * channels
        hidden, logits = num_heads * hidden_channels, channels if per_channel else num_heads
        self.repeats = channels // logits
        self.queries = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(channels, hidden, 1, groups=num_heads),
                nn.Tanh(),
                nn.Conv1d(hidden, logits, 1, groups=num_heads),
            )
            for _ in range(num_queries)
        )

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, 2 * num_queries * channels]``: means, deviations per query."""
        pooled: list[Tensor] = []
        for query in self.queries:
            pooled.extend(attentive_statistics(x, self._logits(query, x), num_frames))
        return as_input(torch.cat(pooled, dim=1).squeeze(2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        wide = torch.promote_types(x.dtype, torch.float32)
        weights = (frame_weights(self._logits(query, x).to(wide), num_frames) for query in self.queries)
        frames, rest = zip(*(statistics_contributions(x, of_query) for of_query in weights), strict=True)
        return torch.cat(frames, dim=1), torch.cat(rest, dim=1)

    def _logits(self, query: nn.Module, x: Tensor) -> Tensor:
        logits: Tensor = query(x).repeat_interleave(self.repeats, dim=1)
        return logits
