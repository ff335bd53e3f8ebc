"""Why a request is refused, with its HTTP status."""

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """A request that is not answered as it was meant.

    Parameters
    ----------
    status : int
        Of HTTP.
    why : str
        In AVIS's words, without a traceback.
    retry_after_s : float or None
        After which it is worth a try again.
    beside : mapping
        What is told besides.
    """

    def __init__(
        self, status: int, why: str, *, retry_after_s: float | None = None, beside: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(status, why)
        self.status, self.why, self.retry_after_s = status, why, retry_after_s
        self.beside = dict(beside or {})

    @property
    def plain(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.why, **self.beside}

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer.

        >>> RefusedError(429, "busy", retry_after_s=0.2).headers
        {'Retry-After': '1'}
        """
        headers = {} if self.retry_after_s is None else {"Retry-After": str(max(1, round(self.retry_after_s + 0.499)))}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


def late(within_s: float) -> RefusedError:
    """Return the refusal of what takes too long."""
    return RefusedError(
        503,
        f"no answer in time: got none within {within_s:g} s, expected one. At the service. Send it again, or send"
        " less.",
        retry_after_s=1.0,
    )
