"""Heads that a verifier keeps, as arrays in one file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from avis.checkpoints.fitted_state import made_of_state
from avis.verifier.attributes.head import VALUE, AttributeName, Head

NAMES: tuple[AttributeName, ...] = get_args(AttributeName)
ARRAYS = tuple(field.name for field in fields(Head) if field.name != "attribute")
TEXTS = frozenset(f"{name}_classes" for name in NAMES)

MOST_CLASSES = 100
"""No training keeps speakers of as many, since each class needs several of at most 500."""

MOST_DRAWS = 10_000
LARGEST = 1e6
"""Weights, offsets and calibrations beyond could not be calculated with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Heads:
    """What is guessed of speakers, an attribute each.

    Attributes
    ----------
    heads : tuple of Head
        One or more, in the order of `AttributeName`.
    """

    heads: tuple[Head, ...]

    def __iter__(self) -> Iterator[Head]:
        return iter(self.heads)

    @classmethod
    def of_bytes(cls, data: bytes, *, dim: int, where: str, advice: str) -> "Heads":
        """Take back what `avis.checkpoints.fitted_state.state_bytes` made of them.

        Parameters
        ----------
        data : bytes
        dim : int
            Size of the model's embeddings.
        where, advice : str
            Where the bytes lie and what to do if they are unusable, for the message.

        Raises
        ------
        ValueError
            If they are anything else.
        """
        return made_of_state(data, lambda state: cls._restored(state, dim), where=where, advice=advice, texts=TEXTS)

    @classmethod
    def _restored(cls, state: Mapping[str, NDArray], dim: int) -> "Heads":
        there = [name for name in NAMES if f"{name}_classes" in state]
        if not there or state.keys() != {f"{name}_{array}" for name in there for array in ARRAYS}:
            raise ValueError(f"arrays {', '.join(sorted(state)) or 'missing'}")
        return cls(heads=tuple(_head(name, {key: state[f"{name}_{key}"] for key in ARRAYS}, dim) for name in there))

    def state(self) -> dict[str, NDArray]:
        """Return all of them, as arrays to keep."""
        return {f"{head.attribute}_{name}": np.asarray(getattr(head, name)) for head in self for name in ARRAYS}


def _head(attribute: AttributeName, arrays: dict[str, NDArray], dim: int) -> Head:
    classes = arrays["classes"]
    num = len(classes) if classes.ndim == 1 else 0
    draws = min(len(arrays["calibrations"]), MOST_DRAWS) if arrays["calibrations"].ndim else 0
    shapes = {"weights": (num, dim), "calibrations": (draws, num), "accuracy": (), "accuracy_interval": (2,)}
    for name, values in arrays.items():
        kind = {"classes": "U", "num_speakers": "i"}.get(name, "f")
        if values.dtype.kind != kind or values.shape != shapes.get(name, (num,)):
            raise ValueError(f"{attribute}_{name} of {values.dtype} {values.shape} for {num} classes of {dim}")
        if kind != "U" and np.max(np.abs(values.astype(np.float64)), initial=0.0) > LARGEST:
            raise ValueError(f"{attribute}_{name} beyond {LARGEST:g}")
    if not draws or not 2 <= num <= MOST_CLASSES or len(set(classes.tolist())) < num:
        raise ValueError(f"{num} classes of {attribute}, one twice, or no calibration")
    if not all(map(VALUE.fullmatch, classes.tolist())) or (arrays["num_speakers"] < 1).any():
        raise ValueError(f"classes of {attribute} that are empty, cannot be printed, or have no speakers")
    accuracy, (lower, upper) = float(arrays["accuracy"]), arrays["accuracy_interval"].tolist()
    if not 1.0 / num < lower <= accuracy <= upper <= 1.0:
        raise ValueError(f"{attribute}_accuracy that does not beat chance")
    told: dict[str, Any] = {**arrays, "accuracy": accuracy, "accuracy_interval": (lower, upper)}
    return Head(attribute=attribute, **told)
