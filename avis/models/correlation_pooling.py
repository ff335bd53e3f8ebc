"""Correlation pooling (Stafylakis et al., 2021): how channels go together over frames, the "style" of an utterance."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.frame_statistics import weighted_statistics
from avis.models.masking import mask_frames
from avis.models.pooling import Pooling
from avis.models.precision import as_input, without_autocast


class CorrelationPooling(Pooling):
    """Correlations over frames of every pair of channels, for ranges of mels.

    Each row of the image (mels, as the convolutions left them) has its channels projected to fewer, with weights of its
    own; a range's correlation is the mean of its rows'. In training whole channels are dropped. Float32 under autocast,
    but for the projection.

    Parameters
    ----------
    channels : int
        Channels per frame: those of the image for all rows of the first, then of the second; a multiple of ``rows``.
    rows : int
        Mels that are left of the image: 10 of a ResNet for 80 mels. 1 after one-dimensional convolutions.
    num_channels : int
        Channels after the projection (64 in the published code).
    num_ranges : int
        Ranges of mels; divides ``rows`` (5).
    dropout : float
        Share of channels dropped in training (0.25).

    Raises
    ------
    ValueError
        If the channels do not split into rows, or these into ranges.

    References
    ----------
    Stafylakis, Rohdin and Burget, "Speaker embeddings by modeling channel-wise correlations", Interspeech 2021,
    https://arxiv.org/abs/2104.02571. Sizes: tstafylakis/Speaker-Embeddings-Correlation-Pooling.

    Examples
    --------
    >>> pooling = CorrelationPooling(8 * 4, rows=4, num_channels=3, num_ranges=2, dropout=0.25)
    >>> pooling(torch.zeros(2, 32, 5)).shape
    torch.Size([2, 6])
    """

    pairs: Tensor

    def __init__(self, channels: int, *, rows: int, num_channels: int, num_ranges: int, dropout: float) -> None:
        super().__init__()
        if channels % rows or rows % num_ranges:
            raise ValueError(
                f"channels must split into rows, and these into ranges: got channels={channels} with rows={rows} and "
                f"num_ranges={num_ranges}, expected multiples of one another. At model.pooling.rows. Give it the rows "
                "that the model's image has in the end (an eighth of the mels of a ResNet), or 1."
            )
        self.rows = rows
        self.num_ranges = num_ranges
        self.dropout = dropout
        self.out_channels = num_ranges * num_channels * (num_channels - 1) // 2
        self.projection = nn.Conv1d(channels, rows * num_channels, 1, groups=rows, bias=False)
        self.register_buffer("pairs", torch.triu_indices(num_channels, num_channels, 1), persistent=False)

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, num_ranges * num_channels * (num_channels - 1) / 2]``."""
        normalised = self._normalised(x, num_frames)
        with without_autocast(x.device):
            kept = functional.dropout(torch.ones_like(normalised[:, :1, :, :1]), self.dropout, self.training)
            split = (normalised * kept).unflatten(1, (self.num_ranges, -1)).transpose(2, 3).flatten(3)
            correlations = split @ split.mT / self._num_products(x, num_frames)
        return as_input(correlations[:, :, self.pairs[0], self.pairs[1]].flatten(1), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`: products of normalised channels, and nothing for the rest."""
        normalised = self._normalised(x, num_frames).unflatten(1, (self.num_ranges, -1))
        products = normalised[:, :, :, self.pairs[0]] * normalised[:, :, :, self.pairs[1]]
        frames = (products.sum(dim=2) / self._num_products(x, num_frames)).flatten(1, 2)
        return frames, torch.zeros_like(frames[:, :, 0])

    def _normalised(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        """Return the projected channels with mean zero and deviation one: ``[batch, rows, num_channels, frames]``."""
        projected = self.projection(x.unflatten(1, (-1, self.rows)).transpose(1, 2).flatten(1, 2))
        with without_autocast(x.device):
            wide = projected.to(torch.promote_types(x.dtype, torch.float32))
            mean, deviation = weighted_statistics(wide, num_frames=num_frames)
            return mask_frames((wide - mean) / deviation, num_frames).unflatten(1, (self.rows, -1))

    def _num_products(self, x: Tensor, num_frames: Tensor | None) -> Tensor | int:
        """Return how many products a correlation is the mean of: those of a range's rows and all frames."""
        frames = x.shape[2] if num_frames is None else num_frames.view(-1, 1, 1, 1)
        return frames * (self.rows // self.num_ranges)
