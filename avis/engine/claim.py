"""Claim a run for one process at a time: two that train under one name would overwrite each other's checkpoints."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from avis import claim, location
from avis.engine.workers.stopping import STOPPING


@contextmanager
def claimed(run_dir: str, *, resumed: bool = False) -> Iterator[None]:
    """Work on a run alone; a process that finds it in other hands ends at once.

    Parameters
    ----------
    run_dir : str
    resumed : bool
        Whether whoever worked on it may be gone just now, as the head of a cluster; that is then waited for.

    Raises
    ------
    ValueError
        If another process works on it.
    """
    try:
        outlast = _say_that_it_waits if resumed else None
        with claim.claimed(run_dir, what="run", else_do=", or choose another name", outlast=outlast, lost=_end):
            yield
    finally:
        if not location.is_uri(run_dir):
            with contextlib.suppress(OSError):  # something else was left there
                os.rmdir(run_dir)


def _say_that_it_waits(holder: Mapping[str, Any]) -> None:
    believed_s = claim.BELIEVED_S - holder["silent_s"]
    print(
        f"run in use: waits until process {holder['pid']} on {holder['host']} is heard of, or for {believed_s:.0f} s",
        flush=True,
    )


def _end(holder: Mapping[str, Any]) -> None:
    print(f"run taken over by process {holder['pid']} on {holder['host']}: this one ends now", flush=True)
    STOPPING.told_by = "another process's claim"  # so that it saves nothing any more
    os.kill(os.getpid(), signal.SIGINT)
