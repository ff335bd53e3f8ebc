"""Multiply and convolve in 32 bit, where a training has GPUs do it in 19."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep products of matrices and convolutions on a device exact to 32 bits, whatever torch's settings allow.

    Examples
    --------
    >>> with full_precision(torch.device("cpu")):
    ...     (torch.ones(1, 2) @ torch.ones(2, 1)).item()
    2.0
    """
    if device.type != "cuda":  # nothing else is rounded, and nothing is changed while a front end is exported
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
