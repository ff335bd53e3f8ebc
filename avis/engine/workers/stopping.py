"""End a pipeline when it is told to: by Ctrl-C, by a batch system's signal, by a time limit."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 75}
"""How a process ends by each: 128 and the signal's number, as shells say, or EX_TEMPFAIL: it is to be tried again."""

TIME_LIMIT = "trainer.max_minutes"


@contextmanager
def alone_told_of_time() -> Iterator[None]:
    """Keep the signal of a batch system's time limit, which it may send to all, from processes started within."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Stopping:
    """What this process was told to stop by; a signal raises KeyboardInterrupt, but for what is in `after_a_step`.

    Attributes
    ----------
    told_by : str or None
        Name of the signal or of the setting; None as long as nothing did.
    exit_status : int
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.told_by: str | None = None
        self.exit_status = EXIT_STATUS[signal.SIGINT]
        self._waits, self._listens, self._deadline = False, False, float("inf")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals within."""
        self._forget()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in EXIT_STATUS}
        self._listens = True
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._forget()

    def listen(self) -> None:
        """Take the signals back from a library that has taken them, if they are to be listened to."""
        if self._listens:
            for number in EXIT_STATUS:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        first = self.told_by is None
        self.told_by, self.exit_status = signal.Signals(number).name, EXIT_STATUS[signal.Signals(number)]
        if not (self._waits and first):
            raise KeyboardInterrupt

    @contextmanager
    def after_a_step(self, max_minutes: float | None) -> Iterator[None]:
        """Let what is within end by itself: it asks `asked`. A second signal ends it at once.

        Parameters
        ----------
        max_minutes : float or None
            After which it is asked to end; None sets no limit.

        Raises
        ------
        KeyboardInterrupt
            If it has ended because it was asked to.
        """
        if not self._listens:
            self._forget()
        self._waits = True
        if max_minutes is not None:
            self._deadline = time.monotonic() + 60 * max_minutes
        try:
            yield
        finally:
            self._waits, self._deadline = False, float("inf")
        if self.told_by:
            raise KeyboardInterrupt

    def asked(self) -> bool:
        """Return whether what asks is to end."""
        if self.told_by is None and time.monotonic() >= self._deadline:
            self.told_by, self.exit_status = TIME_LIMIT, EXIT_STATUS[signal.SIGUSR1]
        return self.told_by is not None


STOPPING = Stopping()
"""Of this process."""
