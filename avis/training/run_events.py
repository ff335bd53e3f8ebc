"""Keep what befell a training and when, a line each: starts, losses of workers, stops, its end."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl

from avis import location, store
from avis.run_folder import EVENTS

STARTED, RESUMED = "started", "resumed"
"""By the driver, before its workers are there."""
TRAINING = "training"
"""By the first worker, as the training begins or goes on after ``step`` steps: after each of these and each loss."""
LOST, STOPPED, FAILED, FINISHED = "lost", "stopped", "failed", "finished"

MOST_SAID = 300
"""Characters of an error."""


def note(run_dir: str, event: str, by: str | None = None, **about: Any) -> None:
    """Append an event with the time. Storage that fails is no reason to end a training, so that it is left out then.

    Parameters
    ----------
    by : str, optional
        What brought it about.
    **about
        What else is to be kept of it.
    """
    told = {"by": by[:MOST_SAID]} if by else {}
    line = json.dumps({"event": event, "time": time.time(), **told, **about}).encode() + b"\n"
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
def noted(run_dir: str, *, resumed: bool, told_by: Callable[[], str | None]) -> Iterator[None]:
    """Note that a training starts or goes on, and how it ends.

    Parameters
    ----------
    resumed : bool
        Whether there is a checkpoint that it goes on from.
    told_by : callable
        Returns what told the training to stop, if anything did.
    """
    note(run_dir, RESUMED if resumed or read_events(run_dir) else STARTED)
    try:
        yield
    except KeyboardInterrupt:
        note(run_dir, STOPPED, by=told_by())
        raise
    except BaseException as error:
        note(run_dir, FAILED, by=said(error))
        raise
    note(run_dir, FINISHED)


class Beginning(pl.Callback):
    """Note where each group of workers takes up the training, and how many they are.

    Parameters
    ----------
    run_dir : str
    steps_per_epoch : int
    """

    def __init__(self, run_dir: str, *, steps_per_epoch: int) -> None:
        self.run_dir, self.steps_per_epoch = run_dir, steps_per_epoch

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Note it, on the first worker."""
        if trainer.is_global_zero:
            note(
                self.run_dir,
                TRAINING,
                step=trainer.global_step,
                steps_per_epoch=self.steps_per_epoch,
                workers=trainer.world_size,
            )


def said(error: BaseException) -> str:
    """Return an error in one line.

    >>> said(ValueError("too short"))
    'ValueError: too short'
    """
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
