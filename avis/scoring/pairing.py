"""Make trial lists from the utterances of a split.

Pairs are numbered, not listed: with the utterances sorted by condition, speaker and session, the partners of an
utterance are a run of rows, so that the n-th of all pairs is found by bisection. Memory grows with the utterances and
the trials drawn, never with the number of possible pairs.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.names import names
from avis.schema import TRIALS


class Pairing:
    """Draw target and non-target pairs of utterances, each pair at most once, all possible pairs equally likely.

    Parameters
    ----------
    split : str
        Split whose utterances are paired.
    cross_session : bool
        Whether to pair targets from different sessions of a speaker only.
    same : sequence of str
        Attributes (``gender``, ``language``, ...), or ``corpus``, in which the utterances of a pair agree: hard trials.
        They become columns of the list.
    max_target, max_nontarget : int
        Every possible pair is taken where there are no more than these, and as many drawn otherwise.
    balanced : bool
        Whether to draw no more pairs of one kind than of the other.
    seed : int
        Seed of the draw. The list depends on it, the utterances and these parameters only: not on the order of rows,
        the machine, or the version of NumPy (which never changes its raw PCG64 streams).
    """

    def __init__(
        self,
        *,
        split: str,
        cross_session: bool,
        same: Sequence[str],
        max_target: int,
        max_nontarget: int,
        balanced: bool,
        seed: int,
    ) -> None:
        if min(max_target, max_nontarget) < 1:
            raise ValueError(
                f"A list has both kinds of trial: got max_target={max_target} and max_nontarget={max_nontarget}, "
                "expected at least 1. At max_target, max_nontarget. Raise them."
            )
        self.split, self.cross_session, self.same = split, cross_session, list(same)
        self.max_target, self.max_nontarget, self.balanced, self.seed = max_target, max_nontarget, balanced, seed

    def pairs(self, utterances: pa.Table) -> pa.Table:
        """Make the list.

        Parameters
        ----------
        utterances : pyarrow.Table
            Columns ``utt_id``, ``speaker``, ``session``, ``corpus``, ``split`` and ``attributes`` of a store.

        Returns
        -------
        pyarrow.Table
            Trials in schema `avis.schema.TRIALS`, with a column for each of ``same`` behind, targets first.

        Raises
        ------
        ValueError
            If there is no such split, an utterance lacks an attribute of ``same``, or a kind has no possible pair.
        """
        rows = rows_of_split(utterances, self.split)
        if num_unknown := rows["speaker"].null_count:
            raise ValueError(
                f"speakers unknown: got {num_unknown} of {len(rows)} utterances without a speaker, expected none, "
                f"since nobody knows which pairs are target. At split={self.split}. Give a list of pairs as "
                "trials=<list>, or name the speakers of all."
            )
        columns = {name: self._condition(rows, name) for name in self.same}
        keys = pa.table({**{f"same {name}": column for name, column in columns.items()}, **_ids(rows)})
        keys = keys.sort_by([(name, "ascending") for name in keys.column_names])
        conditions = run_ends(keys, len(self.same))
        speakers = run_ends(keys, len(self.same) + 1)
        sessions = run_ends(keys, len(self.same) + 2)
        following = np.arange(1, len(keys) + 1)
        kinds = {True: (sessions if self.cross_session else following, speakers), False: (speakers, conditions)}
        possible = {target: int((stop - start).sum()) for target, (start, stop) in kinds.items()}
        if not all(possible.values()):
            raise ValueError(
                f"nothing to pair: got {possible[True]} target and {possible[False]} non-target pairs, expected some "
                f"of each. At split={self.split} with cross_session={self.cross_session}, same={self.same}: "
                f"{len(rows)} utterances of {len(rows['speaker'].unique())} speakers. Loosen these, or add recordings."
            )
        num = {True: min(possible[True], self.max_target), False: min(possible[False], self.max_nontarget)}
        if self.balanced:
            num = dict.fromkeys(num, min(num.values()))
        drawn = [self._draw(keys, target, *kinds[target], num[target]) for target in (True, False)]
        return pa.concat_tables(drawn)

    def _condition(self, rows: pa.Table, name: str) -> pa.ChunkedArray:
        """Return the values of an attribute, or of a column."""
        if name == "corpus":
            return rows["corpus"]
        values = names(pc.map_lookup(rows["attributes"], pa.scalar(name), "first"), where=f"attribute {name}")
        if values.null_count:
            raise ValueError(
                f"attribute missing: got {values.null_count} of {len(rows)} utterances without {name}, expected none. "
                f"At same={self.same}, split={self.split}, {rows['utt_id'].filter(pc.is_null(values))[0]}. "
                "Give the corpus its meta data, or leave the attribute out of same."
            )
        return values

    def _draw(
        self, keys: pa.Table, target: bool, start: NDArray[np.int64], stop: NDArray[np.int64], num: int
    ) -> pa.Table:
        """Draw ``num`` of the pairs of a row with one from ``start`` to ``stop``, which are numbered row by row."""
        stream = np.random.PCG64([self.seed, int(target)])
        ends = np.cumsum(stop - start)
        number = np.sort(distinct(stream, int(ends[-1]), num))
        one = np.searchsorted(ends, number, side="right")
        other = stop[one] - (ends[one] - number)
        swap = stream.random_raw(num) >= 1 << 63
        ids = (keys["utt_id"].take(np.where(swap, *pair)) for pair in ((other, one), (one, other)))
        trials = pa.Table.from_arrays([*ids, pa.array(np.full(num, target))], schema=TRIALS)
        for name in self.same:
            trials = trials.append_column(name, keys[f"same {name}"].take(one))
        return trials


def rows_of_split(utterances: pa.Table, split: str) -> pa.Table:
    """Return the rows of a split.

    Raises
    ------
    ValueError
        If there are none.
    """
    rows = utterances.filter(pc.equal(utterances["split"], split))
    if len(rows) == 0:
        raise ValueError(
            f"nothing to pair: got split={split} without utterances, expected one of "
            f"{sorted(utterances['split'].unique().to_pylist())}. At split. Name a split of the store."
        )
    return rows


def _ids(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: rows[name] for name in ("speaker", "session", "utt_id")}


def run_ends(keys: pa.Table, num_columns: int) -> NDArray[np.int64]:
    """Return for every row where the run of rows ends that agree with it in the first columns."""
    changes = np.zeros(len(keys), bool)
    for column in keys.columns[:num_columns]:
        codes = np.asarray(pc.dictionary_encode(column).combine_chunks().indices)
        changes[1:] |= codes[1:] != codes[:-1]
    ends = np.append(np.flatnonzero(changes), len(keys))
    return np.repeat(ends, np.diff(ends, prepend=0))


def distinct(stream: np.random.PCG64, below: int, num: int) -> NDArray[np.int64]:
    """Draw ``num`` different integers from 0 to ``below``, in memory of the order of ``num``."""
    if 2 * num >= below:
        return np.argsort(stream.random_raw(below), kind="stable")[:num]
    drawn = np.empty(0, np.uint64)
    while len(drawn) < num:
        drawn = np.append(drawn, stream.random_raw(2 * (num - len(drawn))) % below)
        _, first = np.unique(drawn, return_index=True)
        drawn = drawn[np.sort(first)]
    return drawn[:num].astype(np.int64)
