"""Posterior pooling (Lee et al., 2021): frames weighed by how precise they are, as in the i-vector."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.masking import inside
from avis.models.pooling import Pooling
from avis.models.precision import as_input

LEAST_DEVIATION = 1e-12
"""Smallest root of a precision, so that its logarithm and gradient stay finite."""


class PosteriorPooling(Pooling):
    """The mean of a Gaussian posterior: of a learnt prior, and of frames that each come with a precision.

    For every channel a frame is a noisy observation of one utterance-wide value. Two layers estimate its precision
    (the square of a softplus); the posterior mean weighs frames and prior mean with their precisions.

    Precisions and sums are float32 under autocast.

    Parameters
    ----------
    channels : int
        Channels per frame.
    hidden_channels : int
        Width of the estimator of precisions (256 in wespeaker).

    References
    ----------
    Lee, Wang and Koshinaka, "Xi-vector embedding for speaker recognition", IEEE Signal Processing Letters 28, 2021,
    https://arxiv.org/abs/2108.05679. Layers: wenet-e2e/wespeaker, ``XI`` in
    ``wespeaker/models/pooling_layers.py``.

    Examples
    --------
    >>> PosteriorPooling(8, hidden_channels=4)(torch.zeros(2, 8, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(self, channels: int, *, hidden_channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.prior_mean = nn.Parameter(torch.zeros(channels, 1))
        self.prior_log_precision = nn.Parameter(torch.zeros(channels, 1))
        self.estimator = nn.Sequential(
            nn.Conv1d(channels, hidden_channels, 1),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(hidden_channels),
            nn.Conv1d(hidden_channels, channels, 1),
        )

    def log_precisions(self, x: Tensor) -> Tensor:
        """Return the logarithms of the frames' precisions, of the shape of ``x`` ``[batch, channels, frames]``."""
        estimate = self.estimator(x)
        wide = estimate.to(torch.promote_types(x.dtype, torch.float32))
        return 2 * functional.softplus(wide).clamp(min=LEAST_DEVIATION).log()

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, channels, frames]`` to ``[batch, channels]``."""
        return as_input(self._weighed(x, num_frames).sum(dim=2), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`; the rest is what the prior contributes."""
        weighed = self._weighed(x, num_frames)
        return weighed[:, :, :-1], weighed[:, :, -1]

    def _weighed(self, x: Tensor, num_frames: Tensor | None) -> Tensor:
        """Return frames and, last, the prior mean, times their weights: ``[batch, channels, frames + 1]``."""
        logits = self.log_precisions(x)
        if num_frames is not None:
            logits = logits.masked_fill(~inside(logits, num_frames), -torch.inf)
        prior_shape = (len(x), -1, 1)
        weights = torch.cat([logits, self.prior_log_precision.expand(prior_shape)], dim=2).softmax(dim=2)
        return weights * torch.cat([x.to(logits.dtype), self.prior_mean.expand(prior_shape)], dim=2)
