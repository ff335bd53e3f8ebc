"""Measure time and memory."""

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
    """Watch the memory of this process and all below it, shared pages counted once, as Linux tells it (PSS)."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(MEMORY_INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(self._proportional, self._descendants())))

    @staticmethod
    def _descendants() -> list[int]:
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # ended meanwhile
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        found = [os.getpid()]
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    @staticmethod
    def _proportional(process: int) -> int:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return 0
