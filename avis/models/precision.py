"""Parts of models that stay in float32 under autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which operations keep the precision of their inputs; ``meta`` has no autocast anyway.

    Examples
    --------
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), without_autocast(torch.device("cpu")):
    ...     (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype
    torch.float32
    """
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
