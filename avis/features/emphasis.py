"""Emphasise high frequencies of waveforms, and change their level."""

import torch

EDGES = ("constant", "reflect")


class PreEmphasis(torch.nn.Module):
    """``y[t] = x[t] - coefficient * x[t - 1]``.

    Parameters
    ----------
    coefficient : float
        0.97 nearly everywhere.
    edge : str
        What comes before the first sample: ``"constant"`` silence, or ``"reflect"`` the second sample.

    Examples
    --------
    >>> PreEmphasis(coefficient=0.5, edge="constant")(torch.tensor([1.0, 2.0, 2.0]))
    tensor([1.0000, 1.5000, 1.0000])
    """

    def __init__(self, *, coefficient: float, edge: str) -> None:
        super().__init__()
        if edge not in EDGES:
            raise ValueError(
                f"Unknown edge: got edge={edge!r}, expected one of {EDGES}. At features.front_end.steps, edge. "
                "Choose one of these."
            )
        self.coefficient = coefficient
        self.edge = edge

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[..., samples]`` to the same shape."""
        before = waveforms[..., :2][..., -1:] if self.edge == "reflect" else torch.zeros_like(waveforms[..., :1])
        return waveforms - self.coefficient * torch.cat((before, waveforms[..., :-1]), dim=-1)


class Gain(torch.nn.Module):
    """Waveforms times a factor: 1/32768 before `Fbank` gives Kaldi features of samples in [-1, 1]."""

    def __init__(self, *, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[..., samples]`` to the same shape."""
        return waveforms * self.factor


class Standardise(torch.nn.Module):
    """Waveforms less their mean, divided by their deviation plus an offset.

    Parameters
    ----------
    offset : float
        Keeps silence finite.

    Examples
    --------
    >>> Standardise(offset=0.0)(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.,  1.]])
    """

    def __init__(self, *, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[..., samples]`` to the same shape."""
        centred = waveforms - waveforms.mean(dim=-1, keepdim=True)
        return centred / (centred.square().mean(dim=-1, keepdim=True).sqrt() + self.offset)
