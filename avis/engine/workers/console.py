"""Show how far a stage is, and what workers print, on the driver's console."""

import functools
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ray._private.ray_logging import global_worker_stdstream_dispatcher
from ray._private.worker import print_to_stdstream
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from avis.engine.workers.ray_log import MESSAGES
from avis.structured_log import LOG
from avis.training.status_line import MOVES, duration

PLAIN_INTERVAL_S = 10.0
"""Between two plain lines of one stage."""

RAYS_OWN = ("raylet", "gcs_server")
"""Processes of Ray whose lines are messages of Ray, whatever stream they come from."""

CLEAR = "\r\x1b[K"

Item = TypeVar("Item")


@functools.cache
def warn_once(message: str) -> None:
    """Print a warning, once in a process: a run checks before its training what its scoring checks again."""
    print(f"warning: {message}", flush=True)


def on_terminal() -> bool:
    """Return whether standard output is a terminal on which a line can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def show_progress(items: Iterable[Item], label: str, total: int, *, moving: bool) -> Iterator[Item]:
    """Yield the items while a bar with the time left moves; or, not ``moving``, print a plain line now and then."""
    if moving:
        # Standard error that goes to Ray's log is not to be drawn above the bar.
        columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(elapsed_when_finished=True))
        with Progress(*columns, console=Console(file=sys.stdout), redirect_stderr=MESSAGES.folder is None) as bar:
            yield from bar.track(items, total=total, description=label)
        return
    started = shown = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if number < total and now - shown >= PLAIN_INTERVAL_S:
            left_s = (now - started) / number * (total - number)
            print(f"{label} {number}/{total}  left {duration(left_s)}", flush=True)
            shown = now
    print(f"{label} {total}/{total}  took {duration(time.monotonic() - started)}", flush=True)


class WorkerLines:
    """Print what workers print as lines of AVIS; a line that starts with `MOVES` is redrawn in place.

    Ray's own way prints all of it behind the name and number of a process. The messages of Ray and of the libraries,
    which workers write to standard error, go to this process's standard error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listens = False
        self._moving: str | None = None

    def listen(self) -> None:
        """Take the place of Ray's own printing, after Ray was started."""
        for name in ("ray_print_logs", "avis"):
            global_worker_stdstream_dispatcher.remove_handler(name)
        global_worker_stdstream_dispatcher.add_handler("avis", self.show)
        self._listens = True

    @property
    def redrawn(self) -> bool:
        """Whether lines that move are redrawn: on a terminal, and if nobody else started Ray."""
        return self._listens and on_terminal()

    def show(self, data: dict[str, Any]) -> None:
        """Show some lines of one process.

        Parameters
        ----------
        data : dict
            Of Ray's log monitor: ``lines``, ``pid`` (or the kind of process), ``is_err``, ``ip`` and, of workers,
            ``actor_name``.
        """
        worker = data.get("actor_name") or "task"
        with LOG.said_by(worker=worker, pid=str(data["pid"]), node=data.get("ip")):
            if data["pid"] == "autoscaler":  # which says what the run waits for
                print_to_stdstream(data, ignore_prefix=False)
            elif data["is_err"] or data["pid"] in RAYS_OWN:
                whose = "" if LOG.is_json else f"({worker} pid={data['pid']}) "
                print("".join(f"{whose}{line}\n" for line in data["lines"]), end="", file=sys.stderr, flush=True)
            else:
                with self._lock:
                    for line in data["lines"]:
                        self._show_line(line)

    def _show_line(self, line: str) -> None:
        if not line.startswith(MOVES):
            print(f"{CLEAR if self._moving else ''}{line}", flush=True)
        elif self._moving is not None:
            self._moving = line.removeprefix(MOVES)
        if self._moving:
            width = shutil.get_terminal_size().columns
            print(f"{CLEAR}{self._moving[: width - 1]}", end="", flush=True)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Redraw lines that move within; what comes of them later is dropped, and the last one stays."""
        self._moving = ""
        try:
            yield
        finally:
            with self._lock:
                if self._moving:
                    print(flush=True)
                self._moving = None


WORKER_LINES = WorkerLines()
"""Lines of the workers of this driver."""
