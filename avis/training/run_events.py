"""Keep what befell a training and when, a line each: starts, losses of workers, stops, its end."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from avis import location, store
from avis.run_folder import EVENTS

STARTED, RESUMED, RESTARTED = "started", "resumed", "restarted"
LOST, STOPPED, FAILED, FINISHED = "lost", "stopped", "failed", "finished"
BEGINNINGS = (STARTED, RESUMED, RESTARTED)

MOST_SAID = 300
"""Characters of an error."""


def note(run_dir: str, event: str, **about: Any) -> None:
    """Append an event with the time. Storage that fails is no reason to end a training, so that it is left out then."""
    line = json.dumps({"event": event, "time": time.time(), **about}).encode() + b"\n"
    path = location.join(run_dir, EVENTS)
    with contextlib.suppress(OSError):
        if location.is_uri(path):  # object stores append nothing
            store.write_bytes(path, (location.read_bytes(path) if location.exists(path) else b"") + line)
        else:
            os.makedirs(run_dir, exist_ok=True)
            with open(path, "ab") as file:
                file.write(line)


def read_events(run_dir: str) -> list[dict[str, Any]]:
    """Return the events of a run in order, each with ``event`` and ``time`` (s since 1970); a torn line is left out."""
    path = location.join(run_dir, EVENTS)
    events = []
    for line in location.read_bytes(path).splitlines() if location.exists(path) else []:
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return [event for event in events if isinstance(event, dict) and {"event", "time"} <= event.keys()]


@contextmanager
def noted(run_dir: str, *, epoch: int, step: int, told_by: Callable[[], str | None]) -> Iterator[None]:
    """Note that a training starts or goes on after so many epochs and steps, and how it ends.

    Parameters
    ----------
    told_by : callable
        Returns what told the training to stop, if anything did.
    """
    note(run_dir, RESUMED if read_events(run_dir) else STARTED, epoch=epoch, step=step)
    try:
        yield
    except KeyboardInterrupt:
        note(run_dir, STOPPED, by=told_by())
        raise
    except BaseException as error:
        note(run_dir, FAILED, by=said(error))
        raise
    note(run_dir, FINISHED)


def noting_losses(fit: Callable[[], Any], run_dir: str, position: Callable[[], tuple[int, int]]) -> Callable[[], Any]:
    """Return a training that notes what ended it, and each time it is called again.

    Parameters
    ----------
    position : callable
        Returns the epochs and steps after which it goes on.
    """
    calls = 0

    def fit_and_note() -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            epoch, step = position()
            note(run_dir, RESTARTED, epoch=epoch, step=step)
        try:
            return fit()
        except Exception as error:
            note(run_dir, LOST, by=said(error))
            raise

    return fit_and_note


def said(error: BaseException) -> str:
    """Return an error in one line.

    >>> said(ValueError("too short"))
    'ValueError: too short'
    """
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:MOST_SAID]
