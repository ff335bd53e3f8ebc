"""Tell the workers of a training that the driver was told to stop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from avis.engine.workers.stopping import STOPPING

WATCH_S = 0.5
"""Between two looks whether the driver was told to stop."""


class StopRequest:
    """Whether to stop; as an actor, workers can ask it."""

    def __init__(self) -> None:
        self.made = False

    def make(self) -> None:
        """Ask them to stop."""
        self.made = True

    def is_made(self) -> bool:
        """Return whether they are to stop."""
        return self.made


def wait_for(training: Callable[[], Any], request: Any) -> None:
    """Wait for a training on workers, and make the request when this process is told to stop.

    The training is started from a thread of its own, where Ray leaves the signals to this one.
    """
    ended: Future[Any] = Future()

    def call() -> None:
        try:
            ended.set_result(training())
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    while not wait([ended], timeout=WATCH_S).done:
        if STOPPING.asked():
            request.make.remote()
    ended.result()
