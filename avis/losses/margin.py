"""The margin of a loss, which a schedule raises while training."""

import math

import torch
from torch import Tensor, nn

SINE_SQUARED_FLOOR = 1e-6
"""Smallest sin^2 before the square root, so that its gradient stays finite at |cos| = 1."""


class ScheduledMargin(nn.Module):
    """A margin at a share of its full height.

    Parameters
    ----------
    full : float
        Height at a share of 1.
    at_most : float
        Largest meaningful height, in the same unit.
    name : str
        What the configuration calls it.

    Attributes
    ----------
    share : float
        Set by the training's schedule, 0 to 1; 1 until then.

    Raises
    ------
    ValueError
        If ``full`` is not between 0 and ``at_most``.

    Examples
    --------
    >>> margin = ScheduledMargin(0.2, at_most=1.0)
    >>> margin.share = 0.5
    >>> margin.height
    0.1
    """

    def __init__(self, full: float, *, at_most: float, name: str = "margin") -> None:
        super().__init__()
        if not 0 <= full <= at_most:
            raise ValueError(
                f"a {name} makes the target harder: got {name}={full}, expected 0 to {at_most:.4g}. At loss.{name}. "
                "0.2 and 0.3 are usual of margins, 0.06 of penalties."
            )
        self.full, self.share = full, 1.0

    @property
    def height(self) -> float:
        """The margin now."""
        return self.full * self.share


def set_margins(loss: nn.Module, share: float) -> None:
    """Set every margin within a loss, if it has any, to a share of its full height."""
    for part in loss.modules():
        if isinstance(part, ScheduledMargin):
            part.share = share


def widen_angle(cosine: Tensor, angle: float) -> Tensor:
    """Return ``cos(theta + angle)`` for cosines of ``theta``.

    Beyond ``theta = pi - angle``, where that would rise again, it is ``cos(theta) - angle * sin(angle)``, as in the
    code of ArcFace's authors: it never rises with ``theta``.

    >>> widen_angle(torch.tensor([0.5, 0.0]), math.pi / 6).round(decimals=1).tolist()
    [0.0, -0.5]
    """
    sine = (1 - cosine.square()).clamp(min=SINE_SQUARED_FLOOR).sqrt()
    moved = cosine * math.cos(angle) - sine * math.sin(angle)
    return torch.where(cosine > -math.cos(angle), moved, cosine - angle * math.sin(angle))
