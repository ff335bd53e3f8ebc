"""How often each caller may come."""

import time
from collections.abc import Callable


class Rates:
    """A bucket of tries for each caller, which fills at a rate.

    Parameters
    ----------
    per_s, burst : float
        How fast it fills, and how much it holds.
    clock : callable
        Seconds that never go back.

    Examples
    --------
    >>> now = [0.0]
    >>> rates = Rates(per_s=2.0, burst=1.0, clock=lambda: now[0])
    >>> rates.wait_s("ali"), rates.wait_s("ali"), rates.wait_s("baba")
    (0.0, 0.5, 0.0)
    >>> now[0] = 0.5
    >>> rates.wait_s("ali")
    0.0
    """

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, max(1.0, burst), clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_s(self, caller: str) -> float:
        """Take a try, and return 0; or return after how many seconds there is one."""
        now = self._clock()
        left, at = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        self._buckets[caller] = (left - 1.0 if left >= 1.0 else left), now
        return 0.0 if left >= 1.0 else (1.0 - left) / self._per_s
