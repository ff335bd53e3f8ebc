"""Pass waveforms on as features."""

import torch

from avis.features.waveforms import check_waveforms


class Raw(torch.nn.Module):
    """Every sample a frame of width one, for models that filter waveforms themselves.

    Examples
    --------
    >>> Raw()(torch.zeros(2, 100)).shape
    torch.Size([2, 100, 1])
    """

    def __init__(self) -> None:
        super().__init__()
        self.dim = 1

    def num_frames(self, num_samples: int) -> int:
        """Return ``num_samples``."""
        return num_samples

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 ``[batch, samples]`` or ``[samples]`` to ``[batch, samples, 1]`` or ``[samples, 1]``."""
        check_waveforms(waveforms, min_samples=1, name="Raw")
        return waveforms.unsqueeze(-1)
