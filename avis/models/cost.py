"""What a model costs: its parameters, and its floating-point operations for some frames."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """Of one model."""

    parameters: int
    flops: int
    """Of one utterance's embedding: two for each multiplication of convolutions, matrices and attention."""


def cost(model: nn.Module, *, num_frames: int, dim: int) -> Cost:
    """Count a model's parameters, and its operations for features ``[1, num_frames, dim]``.

    A model on the device ``meta`` is counted without computing anything. Published figures are mostly of two seconds
    and in multiply-accumulates, half as many; element-wise operations,
    which some of them count and which add 1 to 8 %, are left out.

    Examples
    --------
    >>> cost(nn.Linear(80, 10, bias=False), num_frames=200, dim=80)
    Cost(parameters=800, flops=320000)
    """
    parameters = list(model.parameters())
    features = torch.zeros(1, num_frames, dim, device=parameters[0].device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(features)
    return Cost(sum(parameter.numel() for parameter in parameters), counter.get_total_flops())
