"""Be the only one who changes a folder."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from avis import location
from avis.claim import claimed

LOCK = "lock"
WAIT_S = 60.0
POLLED_EVERY_S = 0.02


@contextmanager
def alone(folder: str, *, what: str) -> Iterator[Callable[[], bool]]:
    """Change a folder while nobody else does: by a lock of the file system, which goes with its process, or by a claim.

    Parameters
    ----------
    folder : str
        Local path or URI; a local one is made, for its owner's eyes only.
    what : str
        What it is, for errors.

    Yields
    ------
    callable
        Whether another process has taken over meanwhile.

    Raises
    ------
    ValueError
        If another process has been changing it for `WAIT_S`.
    """
    if location.is_uri(folder):
        lost = threading.Event()
        with claimed(folder, what=what, wait_s=WAIT_S, lost=lambda _: lost.set()):
            yield lost.is_set
        return
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path, give_up = os.path.join(folder, LOCK), time.monotonic() + WAIT_S
    while (descriptor := _locked(path)) is None:
        if time.monotonic() > give_up:
            raise ValueError(
                f"{what} in use: got a {what} that another process has been changing for {WAIT_S:.0f} s, expected one "
                f"that nobody does. At {path}. Wait until it ends."
            )
        time.sleep(POLLED_EVERY_S)
    try:
        yield lambda: not _is_still(descriptor, path)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # which a child may have inherited
        os.close(descriptor)


def _locked(path: str) -> int | None:
    """Lock a file, which is made if need be; None where another process has it, or it was replaced meanwhile."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _is_still(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
