"""Take logarithms of energies."""

import torch


class Log(torch.nn.Module):
    """Natural logarithm of energies plus an offset.

    Parameters
    ----------
    offset : float
        Keeps silence finite.

    Examples
    --------
    >>> Log(offset=1.0)(torch.zeros(1, 2))
    tensor([[0., 0.]])
    """

    def __init__(self, *, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, energies: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape."""
        return (energies + self.offset).log()


class Decibels(torch.nn.Module):
    """Decibels of energies, none of them far below the loudest of its utterance.

    Parameters
    ----------
    min_energy : float
        Below which energies count as this.
    range_db : float
        How far below the maximum over frames and mels lies the least value.

    Examples
    --------
    >>> Decibels(min_energy=1e-10, range_db=20.0)(torch.tensor([[100.0, 10.0], [0.1, 0.0]]))
    tensor([[20., 10.],
            [ 0.,  0.]])
    """

    def __init__(self, *, min_energy: float, range_db: float) -> None:
        super().__init__()
        self.min_energy = min_energy
        self.range_db = range_db

    def forward(self, energies: torch.Tensor) -> torch.Tensor:
        """Map ``[..., frames, dim]`` to the same shape."""
        decibels = 10 * energies.clamp_min(self.min_energy).log10()
        return torch.maximum(decibels, decibels.amax(dim=(-2, -1), keepdim=True) - self.range_db)
