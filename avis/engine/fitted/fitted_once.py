"""Save what was fitted beside the checkpoint it was fitted for, and find it again."""

from collections.abc import Callable

from avis import location, store
from avis.checkpoints.fitted_state import restore, state_bytes
from avis.digest import fingerprint
from avis.scoring.backend import Stateful

FORMATS = {"backend": 3, "calibration": 6}
"""Raised where the same data come to another fit than before, so that what was saved before is fitted anew."""


def fitted_once(
    fitted: Stateful,
    checkpoint: str,
    *,
    kind: str,
    recipe: str,
    data: str | None,
    fit: Callable[[], None],
    tried: Callable[[], object],
    needs: str,
) -> None:
    """Restore what was fitted on the same data by the same recipe, else fit and save it.

    It is saved as ``<kind>-<recipe>-<data>.npz`` beside the checkpoint, without pickle.

    Parameters
    ----------
    fitted : Stateful
        The back-end or calibration.
    checkpoint : str
        URI of the checkpoint it belongs to.
    kind : str
        ``backend`` or ``calibration``.
    recipe, data : str or None
        Fingerprints of how and on what it is fitted. ``data=None``: there is nothing to fit it on here, so the one that
        was saved by this recipe is taken.
    fit : callable
        Fits it.
    tried : callable
        Uses it on made-up input once it is restored: what fails there is of other sizes than the model.
    needs : str
        What it would be fitted on, for the message.

    Raises
    ------
    ValueError
        If there is nothing to fit it on and none was saved, or several, or what was saved is not its state.
    """
    folder, recipe = location.parent(checkpoint), fingerprint([FORMATS[kind], recipe])
    names = [f"{kind}-{recipe}-{data}.npz"]
    if data is None:
        beside = location.names_in(folder)
        names = sorted(name for name in beside if name.startswith(f"{kind}-{recipe}-") and name.endswith(".npz"))
        if len(names) != 1:
            raise ValueError(
                f"{kind} not fitted: got {len(names)} files {kind}-{recipe}-*.npz beside the checkpoint and no "
                f"{needs} in the store, expected one file or the other. At {folder}. Score once on the training "
                "corpus, and leave one of the files."
            )
    path = location.join(folder, names[0])
    if location.exists(path):
        advice = "Delete it and score once on the training corpus."
        restore(fitted, location.read_bytes(path), tried=tried, where=path, advice=advice)
        return
    fit()
    store.write_bytes(path, state_bytes(fitted))
