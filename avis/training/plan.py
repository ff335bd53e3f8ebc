"""Plan an epoch: which rows are read together, in which order, under which label.

A *pass* visits every training utterance once; an *epoch* is one or more passes, after which the model is validated. A
pass shuffles the store's row groups and joins a few of them to a *block*; a worker reads a block's row groups whole,
shuffles their rows and makes the examples. Everything follows from (seed, pass), so that a plan is the same on any
number of workers and a training can go on at any block.
"""

from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from avis import store
from avis.random_streams import stream

PORTION_ROWS = 64
"""Examples that one task makes at most: enough to be worth a task, few enough for the first batch to come soon."""

READ_AT_ONCE = 16
"""Row groups: object stores are slow to answer, not slow."""


@dataclass(frozen=True)
class RowGroup:
    """One row group of the utterances table: its file, its index in the file, and its number of rows.

    ``positions`` are those of its rows, where others of the group are left out.
    """

    uri: str
    index: int
    num_rows: int
    positions: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Block:
    """What one worker reads and turns into examples.

    Attributes
    ----------
    epoch, pass_ : int
        Which epoch and which pass over the utterances (counted over all epochs) the block belongs to.
    row_groups : list of RowGroup
        Read together.
    order : int64 [rows]
        Positions in the joined row groups, in the order in which examples are made of them.
    utterances_per_speaker : int
        Examples in turn that are of one speaker; see `avis.training.grouping.in_groups`.
    """

    epoch: int
    pass_: int
    row_groups: list[RowGroup]
    order: np.ndarray
    utterances_per_speaker: int = 1


@dataclass(frozen=True)
class Portion:
    """Rows of a block of which one task makes examples.

    Attributes
    ----------
    epoch, pass_ : int
        Those of the block.
    block : int
        Its number.
    start, stop : int
        Which of its rows.
    place : int
        How many examples come before them in the epoch.
    """

    epoch: int
    pass_: int
    block: int
    start: int
    stop: int
    place: int


def list_row_groups(uri: str, split: str) -> list[RowGroup]:
    """Return the row groups of one split of an utterances store, in order."""

    def of_part(part: str) -> list[RowGroup]:
        metadata = store.open_part(part).metadata
        return [RowGroup(part, i, metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups)]

    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        groups = pool.map(of_part, store.part_uris(uri, "utterances", f"{split}-"))
    return [group for part in groups for group in part if group.num_rows]


def find_long_enough(durations_s: np.ndarray, min_utterance_s: float) -> np.ndarray:
    """Return which training utterances are long enough, and print how many are not.

    Raises
    ------
    ValueError
        If none is.
    """
    long_enough = durations_s >= min_utterance_s
    if len(long_enough) and not long_enough.any():
        raise ValueError(
            f"every utterance is too short: got at most {durations_s.max():.2f} s, expected "
            f"min_utterance_s={min_utterance_s} s or more. At trainer.min_utterance_s. Lower it."
        )
    if not long_enough.all():
        left_out = len(long_enough) - long_enough.sum()
        print(
            f"train: {left_out} of {len(long_enough)} utterances are shorter than {min_utterance_s} s and left out",
            flush=True,
        )
    return long_enough


def keep_rows(groups: list[RowGroup], keep: np.ndarray) -> list[RowGroup]:
    """Leave rows out of row groups, and groups out that have no others.

    Parameters
    ----------
    groups : list of RowGroup
        Whole ones.
    keep : bool [rows]
        Of the groups in turn.

    Examples
    --------
    >>> keep_rows([RowGroup("a", 0, 2), RowGroup("a", 1, 1)], np.array([False, True, False]))
    [RowGroup(uri='a', index=0, num_rows=1, positions=(1,))]
    """
    places = np.split(keep, np.cumsum([group.num_rows for group in groups])[:-1])
    positions = [tuple(np.flatnonzero(place).tolist()) for place in places]
    return [
        group if len(rows) == group.num_rows else replace(group, num_rows=len(rows), positions=rows)
        for group, rows in zip(groups, positions, strict=True)
        if rows
    ]


class Plan:
    """The blocks of a whole training, addressed by number.

    Parameters
    ----------
    row_groups : list of RowGroup
        Of the training split.
    seed : int
        Of the shuffles.
    groups_per_block : int
        Row groups that are read and mixed together.
    passes_per_epoch : int
        Visits of every utterance in an epoch.
    global_batch : int
        Examples per optimiser step over all workers; an epoch's last rows that do not fill one are left out, others
        each time.
    num_epochs : int
    utterances_per_speaker : int
        Examples in turn that are of one speaker. A block's last rows that do not fill a group are left out; the
        length of an epoch allows for the most that can be.
    """

    def __init__(
        self,
        row_groups: list[RowGroup],
        *,
        seed: int,
        groups_per_block: int,
        passes_per_epoch: int,
        global_batch: int,
        num_epochs: int,
        utterances_per_speaker: int = 1,
    ) -> None:
        self.row_groups, self.seed, self.num_epochs = row_groups, seed, num_epochs
        self.groups_per_block, self.passes_per_epoch = groups_per_block, passes_per_epoch
        self.global_batch, self.utterances_per_speaker = global_batch, utterances_per_speaker
        self.blocks_per_pass = -(-len(row_groups) // groups_per_block)
        self.blocks_per_epoch = self.blocks_per_pass * passes_per_epoch
        left_out = (utterances_per_speaker - 1) * self.blocks_per_pass
        rows = passes_per_epoch * max(0, sum(group.num_rows for group in row_groups) - left_out)
        self.steps_per_epoch = rows // global_batch
        if not self.steps_per_epoch:
            raise ValueError(
                f"epoch smaller than a batch: got {rows} examples per epoch, expected at least {global_batch}. "
                "At trainer.batch_size. Lower it or raise trainer.passes_per_epoch."
            )
        self.examples_per_epoch = self.steps_per_epoch * global_batch

    def block(self, number: int) -> Block:
        """Return a block by its number, counted from the start of the training."""
        epoch, pass_, index = self._locate(number)
        start = index * self.groups_per_block
        groups = [self.row_groups[i] for i in self._shuffled(pass_)[start : start + self.groups_per_block]]
        order = stream(self.seed, "rows", pass_, index).permutation(sum(g.num_rows for g in groups))
        return Block(epoch, pass_, groups, order[: self._take(pass_, index)], self.utterances_per_speaker)

    def portions(self, epoch: int, step: int) -> Iterator[Portion]:
        """Cut what is left of a training into portions, from the first example of a step on, in order.

        None crosses the boundary of two batches that are no larger than `PORTION_ROWS`, nor that of two blocks.
        """
        most = min(self.global_batch, PORTION_ROWS)
        (first, start), place = self.find(epoch, step), step * self.global_batch
        for number in range(first, self.num_epochs * self.blocks_per_epoch):
            epoch, pass_, index = self._locate(number)
            if number % self.blocks_per_epoch == 0:
                place = start
            rows = self._take(pass_, index)
            while start < rows:
                stop = min(rows, start + most - place % most)
                yield Portion(epoch, pass_, number, start, stop, place)
                start, place = stop, place + stop - start
            start = 0

    def share(self, rank: int, num_workers: int) -> tuple[int, int]:
        """Return which examples of each global batch one of so many workers gets: from the first to before the second.

        Shares differ by one group of a speaker's examples at most.
        """
        groups, size = self.global_batch // self.utterances_per_speaker, self.utterances_per_speaker
        return size * (rank * groups // num_workers), size * ((rank + 1) * groups // num_workers)

    def pieces(self, portion: Portion, num_workers: int) -> list[tuple[int, int, int]]:
        """Return which rows of a portion each worker's batches get: ``(rank, start, stop)``, in order."""
        pieces, place, end = [], portion.place, portion.place + portion.stop - portion.start
        ends = [self.share(rank, num_workers)[1] for rank in range(num_workers)]
        while place < end:
            batch, position = divmod(place, self.global_batch)
            rank = bisect_right(ends, position)
            stop = min(end, batch * self.global_batch + ends[rank])
            pieces.append((rank, place - portion.place, stop - portion.place))
            place = stop
        return pieces

    def find(self, epoch: int, step: int) -> tuple[int, int]:
        """Return the number of the block with the first example of a step, and how many come before it in the block."""
        first = epoch * self.passes_per_epoch
        rows = np.concatenate([self._rows(pass_) for pass_ in range(first, first + self.passes_per_epoch)])
        ends = np.minimum(np.cumsum(rows), self.examples_per_epoch)
        before = step * self.global_batch
        place = int(np.searchsorted(ends, before, side="right"))
        return epoch * self.blocks_per_epoch + place, before - (int(ends[place - 1]) if place else 0)

    def _locate(self, number: int) -> tuple[int, int, int]:
        """Return the epoch and pass of a block, and which one of the pass it is."""
        epoch, place = divmod(number, self.blocks_per_epoch)
        passes, index = divmod(place, self.blocks_per_pass)
        return epoch, epoch * self.passes_per_epoch + passes, index

    def _shuffled(self, pass_: int) -> np.ndarray:
        return stream(self.seed, "row groups", pass_).permutation(len(self.row_groups))

    def _take(self, pass_: int, index: int) -> int:
        """Return how many examples a block gives before its epoch is full."""
        first = pass_ - pass_ % self.passes_per_epoch
        before = sum(int(self._rows(earlier).sum()) for earlier in range(first, pass_))
        rows = self._rows(pass_)
        return int(np.clip(self.examples_per_epoch - before - rows[:index].sum(), 0, rows[index]))

    def _rows(self, pass_: int) -> np.ndarray:
        """Return how many rows each block of a pass has, in whole groups."""
        rows = np.array([group.num_rows for group in self.row_groups])[self._shuffled(pass_)]
        blocks = np.add.reduceat(rows, np.arange(0, len(rows), self.groups_per_block))
        return blocks // self.utterances_per_speaker * self.utterances_per_speaker


def read_block(block: Block, columns: list[str]) -> pa.Table:
    """Read a block's rows in their order."""

    def read(group: RowGroup) -> pa.Table:
        table = store.read_row_group(store.open_part(group.uri), group.uri, group.index, columns)
        return table if group.positions is None else table.take(list(group.positions))

    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        return pa.concat_tables(pool.map(read, block.row_groups)).take(pa.array(block.order))
