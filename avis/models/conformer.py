"""Conformer blocks (Gulati et al., 2020): self-attention for what is far, convolution for what is near.

Everything here maps ``[batch, frames, channels]`` to the same shape.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.masking import inside, mask_frames

LONGEST_WAVE = 10000.0


def sinusoids(num_frames: int, channels: int, *, device: torch.device) -> Tensor:
    """Return positions 0, 1, ... as interleaved sines and cosines, float32 ``[num_frames, channels]``.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017, section 3.5, https://arxiv.org/abs/1706.03762.
    """
    exponents = torch.arange(0, channels, 2, device=device, dtype=torch.float32) / channels
    angles = torch.arange(num_frames, device=device, dtype=torch.float32)[:, None] * LONGEST_WAVE**-exponents
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class FeedForward(nn.Module):
    """Two linear layers with swish between.

    Parameters
    ----------
    channels, hidden_channels : int
        Outside and between.
    dropout : float
        Share of values dropped after each layer in training.

    References
    ----------
    Gulati et al., 2020, Figure 4, https://arxiv.org/abs/2005.08100.
    """

    def __init__(self, channels: int, *, hidden_channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, hidden_channels),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, frames, channels]`` to the same shape."""
        return self.layers(x)


class PositionedAttention(nn.Module):
    """Multi-head self-attention whose scores see the keys' content and position.

    With query q, key k, projected position p and learnt vectors u and v, a score is
    ``((q + u) k + (q + v) p) / sqrt(d)``: the four terms of Transformer-XL. As in WeNet's code, which the published
    MFA-Conformer uses, p is the position of the key in the utterance and not its distance from the query (the
    paper's ``rel_shift`` is left out). The terms are summed as ``q (k + p) + (u k + v p)``, so that scores are never
    held in memory: ten minutes fit.

    Parameters
    ----------
    channels : int
        Channels in and out; a multiple of ``num_heads``.
    num_heads : int
        Attention heads.
    dropout : float
        Share of values dropped from the output in training.

    Raises
    ------
    ValueError
        If the channels cannot be split evenly.

    References
    ----------
    Dai et al., "Transformer-XL", 2019, section 3.3, https://arxiv.org/abs/1901.02860;
    wenet-e2e/wenet, ``wenet/transformer/attention.py``.
    """

    def __init__(self, channels: int, *, num_heads: int, dropout: float) -> None:
        super().__init__()
        if channels % num_heads or channels % 2:
            raise ValueError(
                f"channels must split into heads and waves: got channels={channels} with num_heads={num_heads}, "
                "expected an even multiple of num_heads. At model.channels, model.num_heads. Change one of them."
            )
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.position = nn.Linear(channels, channels, bias=False)
        self.content_bias = nn.Parameter(torch.empty(num_heads, channels // num_heads))
        self.position_bias = nn.Parameter(torch.empty(num_heads, channels // num_heads))
        self.out = nn.Sequential(nn.Linear(channels, channels), nn.Dropout(dropout))
        nn.init.xavier_uniform_(self.content_bias)
        nn.init.xavier_uniform_(self.position_bias)

    def _heads(self, x: Tensor) -> Tensor:
        """Map ``[..., frames, channels]`` to ``[..., heads, frames, channels / heads]``."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(-2, -3)

    def forward(self, x: Tensor, positions: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, frames, channels]``, with positions ``[frames, channels]``, to the same shape.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.
        """
        query, key, value = (self._heads(part) for part in self.query_key_value(self.norm(x)).chunk(3, dim=2))
        place = self._heads(self.position(positions))
        bias = (key * self.content_bias[:, None]).sum(dim=3) + (place * self.position_bias[:, None]).sum(dim=2)
        if num_frames is not None:
            bias = bias.masked_fill(~inside(bias, num_frames), -torch.inf)
        bias = (bias / math.sqrt(key.shape[3])).to(key.dtype).unsqueeze(2).expand(-1, -1, x.shape[1], -1)
        heads = functional.scaled_dot_product_attention(query, key + place, value, attn_mask=bias)
        return self.out(heads.transpose(1, 2).flatten(2))


class ConvolutionModule(nn.Module):
    """A gated linear unit, a convolution of each channel over frames, batch normalisation, swish, and a linear layer.

    Parameters
    ----------
    channels : int
        Channels in and out.
    kernel_size : int
        Taps of the convolution, in frames; odd.
    dropout : float
        Share of values dropped from the output in training.

    References
    ----------
    Gulati et al., 2020, Figure 2, https://arxiv.org/abs/2005.08100.
    """

    def __init__(self, channels: int, *, kernel_size: int, dropout: float) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(
                f"an even kernel cannot be centred: got kernel_size={kernel_size} frames, expected an odd number. "
                "At model.kernel_size. Add or take one."
            )
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(
            nn.Conv1d(channels, 2 * channels, 1),
            nn.GLU(dim=1),
            nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels),
            nn.BatchNorm1d(channels),
            nn.SiLU(),
            nn.Conv1d(channels, channels, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, frames, channels]``, ``num_frames`` of each the utterance's, to the same shape."""
        gated = self.layers[:2](self.norm(x).transpose(1, 2))
        return self.layers[2:](mask_frames(gated, num_frames)).transpose(1, 2)


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, half a feed-forward step, and layer normalisation.

    Parameters
    ----------
    channels, num_heads, hidden_channels, kernel_size, dropout
        As of the parts.

    References
    ----------
    Gulati et al., "Conformer: Convolution-augmented Transformer for Speech Recognition", 2020, Eq. 1,
    https://arxiv.org/abs/2005.08100.

    Examples
    --------
    >>> block = ConformerBlock(8, num_heads=2, hidden_channels=16, kernel_size=3, dropout=0.1)
    >>> block(torch.zeros(2, 5, 8), sinusoids(5, 8, device=torch.device("cpu"))).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self, channels: int, *, num_heads: int, hidden_channels: int, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.feed_in = FeedForward(channels, hidden_channels=hidden_channels, dropout=dropout)
        self.attention = PositionedAttention(channels, num_heads=num_heads, dropout=dropout)
        self.convolution = ConvolutionModule(channels, kernel_size=kernel_size, dropout=dropout)
        self.feed_out = FeedForward(channels, hidden_channels=hidden_channels, dropout=dropout)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, positions: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, frames, channels]``, with positions ``[frames, channels]``, to the same shape.

        ``num_frames``, int64 ``[batch]``, is how many of its frames are the utterance's; None if all are.
        """
        x = x + 0.5 * self.feed_in(x)
        x = x + self.attention(x, positions, num_frames)
        x = x + self.convolution(x, num_frames)
        x = x + 0.5 * self.feed_out(x)
        return self.norm(x)
