"""Keep what was fitted beside the checkpoint it was fitted for, and find it again."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.fs as pafs

from avis import location, store
from avis.digest import fingerprint

FORMAT = 2
"""Raised where the same data come to another fit than before, so that what was kept before is fitted anew."""


def fitted_once(
    fitted: Any, checkpoint: str, *, kind: str, recipe: str, data: str | None, fit: Callable[[], None], needs: str
) -> Any:
    """Restore what was fitted on the same data by the same recipe, else fit and keep it.

    It is kept as ``<kind>-<recipe>-<data>.npz`` beside the checkpoint, without pickle.

    Parameters
    ----------
    fitted : object
        With ``state`` and ``restore``.
    checkpoint : str
    kind : str
        ``backend`` or ``calibration``.
    recipe, data : str or None
        Fingerprints of how and on what it is fitted. ``data=None``: there is nothing to fit it on here, so the one that
        was kept by this recipe is taken.
    fit : callable
        Fits it.
    needs : str
        What it would be fitted on, for the message.

    Raises
    ------
    ValueError
        If there is nothing to fit it on and none was kept, or several.
    """
    folder, recipe = location.parent(checkpoint), fingerprint([FORMAT, recipe])
    names = [f"{kind}-{recipe}-{data}.npz"]
    if data is None:
        fs, path = location.filesystem(folder)
        found = [info.base_name for info in fs.get_file_info(pafs.FileSelector(path or "."))]
        names = sorted(name for name in found if name.startswith(f"{kind}-{recipe}-") and name.endswith(".npz"))
        if len(names) != 1:
            raise ValueError(
                f"{kind} not fitted: got {len(names)} files {kind}-{recipe}-*.npz beside the checkpoint and no "
                f"{needs} in the store, expected one file or the other. At {folder}. Score once on the training "
                "corpus, and leave one of the files."
            )
    path = location.join(folder, names[0])
    if location.exists(path):
        with np.load(io.BytesIO(location.read_bytes(path)), allow_pickle=False) as state:
            fitted.restore(dict(state))
        return fitted
    fit()
    buffer = io.BytesIO()
    np.savez(buffer, **fitted.state())
    store.write_bytes(path, buffer.getvalue())
    return fitted
