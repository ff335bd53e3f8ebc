"""The facts of a sentence, taken one after the other as its claims are read."""

import math
import re
from collections.abc import Callable
from typing import Any

from avis.explain.text.facts import value_at

TOWARDS = {"one person": 1, "one speaker": 1, "one": 1, "two people": -1, "two speakers": -1, "two": -1}
"""The sign of evidence, by whom it speaks for."""

Words = dict[str, Any]
"""Numbers and words of a claim, as written, by name; None where it has none of that name."""


class UnborneError(Exception):
    """A claim that no fact bears out."""


class Evidence:
    """The facts of a sentence, taken one after the other as its claims are read.

    Parameters
    ----------
    facts : tuple of str
    record : dict
        An `avis.explain.record.Explanation` as plain data.

    Attributes
    ----------
    towards : int or None
        What the last ratio speaks for: 1 for one speaker, -1 for two.
    way : str or None
        A removal that was named, of which nothing was said yet.
    """

    def __init__(self, facts: tuple[str, ...], record: dict[str, Any]) -> None:
        self.facts, self.record = facts, record
        self.num_taken = 0
        self.towards: int | None = None
        self.way: str | None = None

    @property
    def last(self) -> str:
        """The fact that was taken last; empty where none was."""
        return self.facts[self.num_taken - 1] if self.num_taken else ""

    @property
    def next(self) -> str:
        """The next fact; empty where all were taken."""
        return self.facts[self.num_taken] if self.num_taken < len(self.facts) else ""

    @property
    def taken(self) -> tuple[str, ...]:
        """All facts that were taken."""
        return self.facts[: self.num_taken]

    def take(self, *allowed: str) -> Any:
        """Take the next fact and return its value.

        Parameters
        ----------
        *allowed : str
            What it may be, ``N`` standing for any number.

        Raises
        ------
        UnborneError
            If it is none of these.
        """
        if re.sub(r"(?<=/)\d+(?=/|$)", "N", self.next) not in allowed:
            raise UnborneError(f"the next fact is {self.next or 'none'}, which tells no such thing")
        self.num_taken += 1
        return value_at(self.record, self.last)


Check = Callable[[Evidence, Words], None]


def require(holds: bool, found: object) -> None:
    """Refuse a claim in whose place the record has something else."""
    if not holds:
        raise UnborneError(f"the record has {found!r}")


def require_towards(value: float, who: str) -> None:
    """Refuse a direction that evidence has not."""
    require((value >= 0) == (TOWARDS[who] > 0), value)


def is_bound(llr: float | None, bound: float) -> bool:
    """Tell whether a ratio, float32, is at a bound."""
    return llr is not None and math.isclose(llr, bound, rel_tol=1e-4, abs_tol=1e-4)
