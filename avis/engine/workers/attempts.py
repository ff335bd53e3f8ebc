"""Find the row that kills its worker: a decoder that crashes takes the process with it, and Ray would retry for ever.

Each attempt at a part is noted beside the part's record. An attempt after a death goes row by row and notes each, so
that a row which is the last time and again is known.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from avis import location, store

MAX_UNEXPLAINED = 3
"""Deaths of a worker at one part, outside any row that is known, after which the run ends."""

ROW_DEATHS = 3
"""Fewer may be chance: machines that were taken away, memory that others filled. A worker cannot tell these apart."""

Tables = dict[str, pa.Table]


class RowMaker(Protocol):
    """Make some rows of a part by themselves."""

    def __call__(self, task: pa.Table) -> Tables:
        """Return ``{table name: rows}``."""

    def crashed(self, task: pa.Table) -> Tables:
        """Return what stands for a row that killed its workers."""


class Attempts:
    """The attempts of one run at one part, this one included.

    Raises
    ------
    ValueError
        The part has killed `MAX_UNEXPLAINED` workers.
    """

    def __init__(self, uri: str, part: str, run: str) -> None:
        self.uri = location.join(uri, store.PARTS, f"{part}.{run}.attempts")
        self.ended_at: list[int | None] = store.read_json(self.uri)["row"] if location.exists(self.uri) else []
        if self.ended_at.count(None) >= MAX_UNEXPLAINED:
            raise ValueError(
                f"workers died: got {len(self.ended_at)} deaths, expected a part to be made. At part {part} of {uri}. "
                "See Ray's logs for the cause: out of memory, or a library that crashed."
            )
        self._note(None)

    def _note(self, row: int | None) -> None:
        store.write_json(self.uri, {"row": [*self.ended_at, row]})

    def row_by_row(self, task: pa.Table, maker: RowMaker) -> Iterator[Tables]:
        """Make each row by itself, but for those that killed `ROW_DEATHS` workers."""
        for row in range(len(task)):
            make: Callable[[pa.Table], Tables] = maker
            if self.ended_at.count(row) >= ROW_DEATHS:
                make = maker.crashed
            else:
                self._note(row)
            yield make(task.slice(row, 1))
        self._note(None)
