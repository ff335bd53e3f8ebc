"""What all replicas have."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from avis.serving.refusal import RefusedError

Given = ParamSpec("Given")
Done = TypeVar("Done")

Decoded = tuple[NDArray[np.float32], int]
"""Samples ``[samples]`` at the model's rate, and that."""


def telling(work: Callable[Given, Done]) -> Callable[Given, Done | Exception]:
    """Return what does the work and, in place of raising it, returns the fault that it finds with what it was given.

    What a replica raises, Ray takes for a fault of its own, and writes into the log with all that it knows.
    """

    @functools.wraps(work)
    def told(*given: Given.args, **named: Given.kwargs) -> Done | Exception:
        try:
            return work(*given, **named)
        except (ValueError, OSError, RefusedError) as fault:
            return fault

    return told
