"""What a back-end or a calibration has learnt, as bytes to keep, without pickle."""

import io
import sys
import zipfile
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from avis.foreign import check_archive
from avis.scoring.backend import Stateful

Made = TypeVar("Made")


class HasState(Protocol):
    """What has arrays to keep."""

    def state(self) -> dict[str, NDArray]:
        """Return them."""


def state_bytes(fitted: HasState) -> bytes:
    """Return what was learnt as an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **fitted.state())  # type: ignore[arg-type]
    return buffer.getvalue()


def restore(fitted: Stateful, data: bytes, *, tried: Callable[[], object], where: str, advice: str) -> None:
    """Take back what `state_bytes` returned.

    Parameters
    ----------
    fitted : Stateful
    data : bytes
    tried : callable
        Uses it on made-up input once it is restored: what fails there is of other sizes than the model.
    where, advice : str
        Where the bytes lie and what to do if they are unusable, for the message.

    Raises
    ------
    ValueError
        If they are not its state.
    """

    def taken_back(state: dict[str, NDArray]) -> None:
        fitted.restore(state)
        tried()

    made_of_state(data, taken_back, where=where, advice=advice)


def made_of_state(
    data: bytes,
    make: Callable[[dict[str, NDArray]], Made],
    *,
    where: str,
    advice: str,
    texts: Collection[str] = (),
    with_gaps: Collection[str] = (),
) -> Made:
    """Make something of what `state_bytes` returned.

    Parameters
    ----------
    data : bytes
    make : callable
        Makes it of the arrays, or says with a ValueError what is wrong with them.
    where, advice : str
        See `restore`.
    texts, with_gaps : collection of str
        Names of arrays that are of text, and of those in which NaN may stand for what is not known. All others are of
        finite numbers.

    Raises
    ------
    ValueError
        If it is not the state of one.
    """
    try:
        check_archive(io.BytesIO(data))
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            state = dict(file)
        for name, values in state.items():
            _check(name, values, text=name in texts, gaps=name in with_gaps)
        return make(state)
    except (ValueError, IndexError, AssertionError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"fitted state unusable: got {error}, expected finite numbers of the model's sizes, as AVIS saved them. "
            f"At {where}. {advice}"
        ) from error


def _check(name: str, values: NDArray, *, text: bool, gaps: bool) -> None:
    if values.dtype.kind not in ("U" if text else "fiu"):
        raise ValueError(f"{name} of {values.dtype}")
    if text:
        codes = np.frombuffer(values.astype(values.dtype.newbyteorder("=")).tobytes(), np.uint32)
        if np.max(codes, initial=0) > sys.maxunicode:
            raise ValueError(f"{name} of no text")
    elif np.isinf(values).any() if gaps else not np.isfinite(values).all():
        raise ValueError(f"{name} of numbers that are not finite")
