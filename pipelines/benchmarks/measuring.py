"""Measure the processor time of a piece of work, and the memory of all processes while it runs."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY_INTERVAL_S = 0.5


def seconds(work: Callable[[], Any]) -> float:
    """Return processor time: nothing else on the machine counts."""
    started = time.process_time()
    work()
    return time.process_time() - started


class PeakMemory:
    """Watch the memory of this process and all below it, shared pages counted once: Linux's proportional set size.

    Attributes
    ----------
    peak_bytes : int
        Peak of all processes together.
    of_driver : int
        Peak of this process, in bytes.
    """

    def __init__(self) -> None:
        self.peak_bytes = self.of_driver = 0
        self._largest: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def largest(self, title: str) -> int:
        """Return the peak of the largest process with these words in its title, 0 if there was none."""
        return max((num_bytes for name, num_bytes in self._largest.items() if title in name), default=0)

    def _watch(self) -> None:
        while not self._stop.wait(MEMORY_INTERVAL_S):
            now = {process: self._proportional(process) for process in self._descendants()}
            self.peak_bytes = max(self.peak_bytes, sum(now.values()))
            self.of_driver = max(self.of_driver, now[os.getpid()])
            for process, num_bytes in now.items():
                title = self._title(process)
                self._largest[title] = max(self._largest.get(title, 0), num_bytes)

    @staticmethod
    def _descendants() -> list[int]:
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # ended meanwhile
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        family = [os.getpid()]
        for process in family:
            family += [child for child, parent in parents.items() if parent == process]
        return family

    @staticmethod
    def _proportional(process: int) -> int:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return 0

    @staticmethod
    def _title(process: int) -> str:
        with contextlib.suppress(OSError):  # ended meanwhile
            return Path(f"/proc/{process}/cmdline").read_text()
        return ""
