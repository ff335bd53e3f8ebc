"""Refuse weights that are no ordinary tensors, or a model that is larger than its weights, before they cost memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

SHARING = 2
"""How often tensors of a file may share their memory: weights that are tied do."""
LARGER = 8
"""How many times as many values as its file a model may have before it is not even compared with it."""
VALUES_FREE = 1 << 24
"""Values, such as tables of positions, that a model may have besides."""
REGISTRATIONS = (register_module_parameter_registration_hook, register_module_buffer_registration_hook)


def check_weights(weights: Any, where: str) -> None:
    """Refuse what is not a mapping of names to real numbers that are all in the file.

    Raises
    ------
    ValueError
        Naming the first tensor that is sparse, quantised, complex, without values, or spread over memory that it does
        not have.
    """
    if not isinstance(weights, dict):
        raise _no_weights(type(weights).__name__, where)
    num_bytes, stored = 0, dict[int, int]()
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _no_weights(f"{type(name).__name__} to {type(value).__name__}", where)
        kind = f"{name} of {value.dtype}, {value.layout} on {value.device}"
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
            raise _no_weights(kind, where)
        own = value.numel() * value.element_size()
        memory = value.untyped_storage()
        stored[memory.data_ptr()] = memory.nbytes()
        num_bytes += own
        if own > memory.nbytes():
            raise _no_weights(f"{name} of {own} bytes in {memory.nbytes()}", where)
    if num_bytes > SHARING * sum(stored.values()):
        raise _no_weights(f"{num_bytes} bytes of tensors in {sum(stored.values())}", where)


def _no_weights(found: str, where: str) -> ValueError:
    return ValueError(
        f"weights are no tensors of numbers: got {found}, expected names and dense tensors of real numbers. At "
        f"{where}. The file is damaged, or made to harm: don't use it."
    )


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that would make every score a NaN.

    Raises
    ------
    ValueError
        Naming the first tensor with such a value.
    """
    for name, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(
                f"weights give no numbers: got NaN or infinity in {name}, expected finite values. At {where}. The "
                "training went wrong or the file is damaged: give another checkpoint."
            )


@contextmanager
def no_larger(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse within to make a model that is far larger than its weights, and make it without memory.

    Raises
    ------
    ValueError
        As soon as it is.
    """
    in_file = sum(value.numel() for value in weights.values())
    most_values, most_tensors = VALUES_FREE + LARGER * in_file, LARGER * (len(weights) + LARGER)
    values = tensors = 0

    def count(module: object, name: str, tensor: Tensor | None) -> None:
        nonlocal values, tensors
        values, tensors = values + (0 if tensor is None else tensor.numel()), tensors + 1
        if values > most_values or tensors > most_tensors:
            raise ValueError(
                f"a model of {values} values in {tensors} tensors and more, of which the file has {in_file} in "
                f"{len(weights)}"
            )

    handles = [register(count) for register in REGISTRATIONS]
    try:
        with torch.device("meta"):
            yield
    finally:
        for handle in handles:
            handle.remove()
