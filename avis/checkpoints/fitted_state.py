"""What a back-end or a calibration has learnt, as bytes to keep, without pickle."""

import io
import zipfile
from collections.abc import Callable

import numpy as np

from avis.foreign import check_archive
from avis.scoring.backend import Stateful


def state_bytes(fitted: Stateful) -> bytes:
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
    try:
        check_archive(io.BytesIO(data))
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            state = dict(file)
        for name, values in state.items():
            if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
                raise ValueError(f"{name} of {values.dtype}, or not finite")
        fitted.restore(state)
        tried()
    except (ValueError, IndexError, AssertionError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"fitted state unusable: got {error}, expected finite numbers of the model's sizes, as AVIS saved them. "
            f"At {where}. {advice}"
        ) from error
