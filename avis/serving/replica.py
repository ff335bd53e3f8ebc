"""What all replicas have."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from avis.serving.refusal import RefusedError

RETRY_AFTER_S = 1.0

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


def answering(work: Callable[..., Done]) -> Callable[..., Done | Exception]:
    """Return the method of a replica that does the work for callers of its model alone, and is `telling`.

    Replicas of two models are there while the service goes over from one to the other: embeddings of the one are not
    compared by the other.
    """

    @functools.wraps(work)
    def answered(self: Any, *given: Any, model: str, **named: Any) -> Done | Exception:
        return another_model(self.model, model) or telling(work)(self, *given, **named)

    return answered


def another_model(own: str, callers: str) -> RefusedError | None:
    """Return the refusal of a caller of another model, by the digests of the two."""
    if own == callers:
        return None
    return RefusedError(
        503,
        f"service goes over to another model: got a replica of {own[:12]}, expected one of {callers[:12]}. At the "
        "service. Send it again.",
        retry_after_s=RETRY_AFTER_S,
    )
