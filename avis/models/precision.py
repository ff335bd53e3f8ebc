"""Parts of models that stay in float32 under autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which operations keep the precision of their inputs; ``meta`` has no autocast anyway.

    Examples
    --------
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), without_autocast(torch.device("cpu")):
    ...     (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype
    torch.float32
    """
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def as_input(values: Tensor, x: Tensor) -> Tensor:
    """Return what was computed of ``x`` in float32 in the precision of ``x``, for the layers after it.

    Under autocast these choose for themselves, so that it stays as it is.

    >>> as_input(torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16)).dtype
    torch.bfloat16
    """
    chosen = x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)
    return values if chosen else values.to(x.dtype)
