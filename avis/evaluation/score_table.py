"""Read scored trials: a scores table, a Parquet file, or text, at once or in chunks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.evaluation.score_lines import FORMATS, text_scores
from avis.metrics.scores import check
from avis.metrics.trials import Trials
from avis.names import as_text, is_text, names
from avis.schema import DECIDING_SCORES
from avis.scoring.trials import as_answers

TRIALS_PER_PART = 500_000
ORIGIN = "origin"
"""In a manifest: what made the scores, as far as that does not change them."""

CHECKPOINT = "checkpoint SHA-256"
"""Among what made the scores: what tells one system from another."""

CALIBRATION = "calibration"
"""In a manifest: what the ratios' calibration rests on, and where they are capped."""

CHUNK_TRIALS = 1_000_000
SPEAKERS = ("enroll_speaker", "test_speaker")
PAIR = ("enroll", "test")
NO_SPEAKERS = "no interval: the scores do not say who speaks (columns enroll_speaker and test_speaker)"


class Scored:
    """Scored trials that are there but not yet read.

    Parameters
    ----------
    uri : str
        A scores table, a Parquet file with columns ``target`` and ``score``, or a text file; see
        `avis.evaluation.score_lines`.

    Attributes
    ----------
    columns : list of str
        Without scores of `avis.schema.DECIDING_SCORES` that no trial has.
    num_trials : int
    deciding : str
        The column by which trials are ordered; see `avis.schema.DECIDING_SCORES`.

    Raises
    ------
    ValueError
        If there is nothing, a line is malformed, or a column is missing.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._text: pa.Table | None = None
        self._parts: list[str] = []
        if location.is_folder(uri):
            self._parts = store.part_uris(uri, "scores")
            if not self._parts:
                raise ValueError(
                    f"scores missing: got a store without them, expected a scores table. At {uri}. "
                    "Correct scores=<path>."
                )
        elif not location.exists(uri):
            raise ValueError(f"scores missing: got nothing, expected a table or file. At {uri}. Correct scores=<path>.")
        elif _is_parquet(uri):
            self._parts = [uri]
        else:
            self._text = text_scores(location.read_bytes(uri), uri)
        files = [store.open_part(part) for part in self._parts]
        self._empty = (files[0].schema_arrow if self._text is None else self._text.schema).empty_table()
        optional = set(DECIDING_SCORES) - {"score"}
        self.columns = [name for name in self._empty.column_names if name not in optional or self._has_values(name)]
        self.num_trials = self._text.num_rows if self._text is not None else sum(f.metadata.num_rows for f in files)
        self.require({"target", "score"})
        self.deciding = next(name for name in DECIDING_SCORES if name in self.columns)

    def _has_values(self, column: str) -> bool:
        """Tell whether any trial has a value, reading no more than it takes."""
        return any(batch.column(0).null_count < batch.num_rows for batch in self._batches([column]))

    @contextmanager
    def named(self) -> Iterator[None]:
        """Say in an error of `avis.metrics`, which knows arrays alone, where the scores are."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{error} The scores are the column {self.deciding} of {self.uri}.") from error

    def require(self, columns: Collection[str]) -> None:
        """Refuse trials without some columns."""
        lacking = sorted(set(columns) - set(self.columns))
        if lacking:
            raise ValueError(
                f"columns missing: got {self.columns}, expected {', '.join(sorted(columns))}. At {self.uri}. "
                f"Add {', '.join(lacking)}{'' if self._text is None else f': lines may be {FORMATS}'}."
            )

    def take_answers(self, pairs: pa.Table, target: np.ndarray) -> None:
        """Take the answers of text that has none from the same trials elsewhere.

        Parameters
        ----------
        pairs : pyarrow.Table
            Columns ``enroll`` and ``test`` of those trials.
        target : bool [trials]
            Their answers.

        Raises
        ------
        ValueError
            If they are not the same trials.
        """
        if self._text is None or "enroll" not in self.columns or not self._text["target"].null_count:
            return
        rows = matching_rows(self._text.select(list(PAIR)), pairs, self.uri)
        self._text = self._text.set_column(self.columns.index("target"), "target", pa.array(target[rows]))

    def table(self, columns: list[str], *, answered: bool = True) -> pa.Table:
        """Read some columns of all trials, of which ``target`` is one unless answers may be unknown.

        Raises
        ------
        ValueError
            If an answer is unknown that must be known, or a file is corrupt.
        """
        empty = self._answered(self._empty.select(columns), known=False)
        return pa.concat_tables([empty, *self._tables(columns, answered=answered)])

    def rows(self, columns: list[str], numbers: list[int]) -> pa.Table:
        """Read some columns of a few trials, whose numbers count from 0, in the order asked for."""
        if self._text is not None:
            return self._text.select(columns).take(pa.array(numbers, pa.int64()))
        wanted, first = np.array(numbers, dtype=np.int64), 0
        tables, places = [self._empty.select(columns)], [np.zeros(0, dtype=np.int64)]
        for uri in self._parts:
            file = store.open_part(uri)
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                places.append(np.flatnonzero((wanted >= first) & (wanted < end)))
                if places[-1].size:
                    try:
                        table = file.read_row_group(group, columns=columns).select(columns)
                    except (pa.ArrowInvalid, OSError) as error:
                        raise store.corrupt_shard(uri, error) from error
                    tables.append(table.take(pa.array(wanted[places[-1]] - first)))
                first = end
        return pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(places))))

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read one kind of score and the answers, some trials at a time."""
        for table in self._tables(["target", column]):
            yield score_values(table[column]), table["target"].to_numpy(zero_copy_only=False)

    def _tables(self, columns: list[str], *, answered: bool = True) -> Iterator[pa.Table]:
        read = (pa.Table.from_batches([batch]).select(columns) for batch in self._batches(columns))
        for table in read if self._text is None else [self._text.select(columns)]:
            yield self._answered(table, known=answered)

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for uri in self._parts:
            try:
                yield from store.open_part(uri).iter_batches(CHUNK_TRIALS, columns=columns)
            except (pa.ArrowInvalid, OSError) as error:
                raise store.corrupt_shard(uri, error) from error

    def _answered(self, table: pa.Table, *, known: bool) -> pa.Table:
        """Understand the words of answers, all of which must be ``known`` if so."""
        if "target" in table.column_names and is_text(table["target"].type):
            answers = as_answers(table["target"], at=lambda _: f"At {self.uri}.")
            table = table.set_column(table.column_names.index("target"), "target", answers)
        if known and table["target"].null_count:
            raise ValueError(
                f"answers unknown: got {table['target'].null_count} trials without target, expected none. "
                f"At {self.uri}. Evaluate a list whose answers are known; text has lines 'enroll test label score'."
            )
        return table


class ReadScores(NamedTuple):
    """Trials, further columns of theirs, and why the trials have no speakers (None where they have them)."""

    trials: Trials
    more: pa.Table
    no_speakers: str | None


def read_scores(scored: Scored, *, more: Collection[str] = ()) -> ReadScores:
    """Read all trials, with their log-likelihood ratios and speakers where the table has them.

    Speakers are left out where they are not known of all trials, or contradict an answer.

    Raises
    ------
    ValueError
        If a column is missing, or see `Scored.table` and `avis.metrics.scores.check`.
    """
    scored.require(more)
    wanted = ["target", scored.deciding, *more, *(name for name in ("llr", *SPEAKERS) if name in scored.columns)]
    table = scored.table(list(dict.fromkeys(wanted)))
    target = table["target"].to_numpy(zero_copy_only=False)
    enroll, test, no_speakers = speaker_numbers(table, target)
    llr = score_values(table["llr"]) if "llr" in scored.columns else None
    with scored.named():
        scores, target = check(score_values(table[scored.deciding]), target)
    trials = Trials(scores, target, llr, enroll, test)
    further = table.select(list(more))
    for index, field in enumerate(further.schema):
        if field.name in PAIR or is_text(field.type):
            compared = names(further[field.name], where=f"{scored.uri} column {field.name}")
            further = further.set_column(index, field.name, compared)
    return ReadScores(trials, further, no_speakers)


def matching_rows(ours: pa.Table, theirs: pa.Table, uri: str, *, whose: str = "the baseline") -> np.ndarray:
    """Return where each trial of one table is in the other, by its two sides.

    Of trials that are listed repeatedly, the first is the other's first, the second its second, and so on.

    Raises
    ------
    ValueError
        If a trial is in one table alone, or in one more often; ``uri`` says where the other table is, and ``whose`` it
        is.
    """
    mine, other = _pair_numbers(ours, theirs)
    order, other_order = (np.argsort(numbers, kind="stable") for numbers in (mine, other))
    if not np.array_equal(mine[order], other[other_order]):
        (pairs, counts), (other_pairs, other_counts) = (np.unique(side, return_counts=True) for side in (mine, other))
        _, at, other_at = np.intersect1d(pairs, other_pairs, assume_unique=True, return_indices=True)
        shared = np.minimum(counts[at], other_counts[other_at]).sum()
        raise ValueError(
            f"other trials in {whose}: got {shared} trials in both, expected all of {len(ours)} and "
            f"{len(theirs)}. At {uri}. Score one trial list with all systems."
        )
    rows = np.empty(len(ours), dtype=np.int64)
    rows[order] = other_order
    return rows


def matched(ours: ReadScores, theirs: ReadScores, uri: str) -> Trials:
    """Return their trials in the order of ours; both have read `PAIR`, and ``uri`` says where theirs are.

    Raises
    ------
    ValueError
        If they are not the same trials, or have other answers.
    """
    rows = matching_rows(ours.more.select(list(PAIR)), theirs.more.select(list(PAIR)), uri)
    trials = theirs.trials.take(rows)
    if differing := np.count_nonzero(trials.target != ours.trials.target):
        raise ValueError(
            f"other answers in the baseline: got {differing} of {len(rows)} trials that are target in one list and "
            f"non-target in the other, expected none. At {uri}. Score one trial list with both systems."
        )
    return trials


def _pair_numbers(ours: pa.Table, theirs: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for the two sides of each trial, the same in both tables."""
    numbers = np.zeros(len(ours) + len(theirs), dtype=np.int64)
    for side in PAIR:
        chunks = [names(table[side], where=f"scores, column {side}").chunks for table in (ours, theirs)]
        both = pa.chunked_array([*chunks[0], *chunks[1]], pa.string())
        coded = both.dictionary_encode(null_encoding="encode").combine_chunks()
        numbers = numbers * len(coded.dictionary) + coded.indices.to_numpy()
    return numbers[: len(ours)], numbers[len(ours) :]


def score_values(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as float32 where it is that, else as float64; what is missing becomes NaN."""
    wanted: Any = np.float32 if pa.types.is_float32(column.type) else np.float64
    return column.to_numpy(zero_copy_only=False).astype(wanted, copy=False)


def speaker_numbers(table: pa.Table, target: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None, str | None]:
    """Return the speakers of both sides as numbers in the order of their names, or why not."""
    if any(name not in table.column_names for name in SPEAKERS):
        return None, None, NO_SPEAKERS
    sides = [as_text(table[column]) for column in SPEAKERS]
    written = pa.concat_arrays([side.unique() for side in sides]).unique()
    compared = names(written, where="scores, column enroll_speaker or test_speaker")
    ordered = compared.drop_null().unique()
    person = pc.index_in(compared, value_set=ordered.take(pc.sort_indices(ordered)), skip_nulls=True)
    numbers = [person.take(pc.index_in(side, value_set=written)) for side in sides]
    unknown = pc.sum(pc.or_(*(pc.is_null(side) for side in numbers))).as_py()
    if unknown:
        return None, None, f"no interval: the scores do not say who speaks in {unknown:,} of {len(table):,} trials"
    enroll, test = (side.to_numpy() for side in numbers)
    if wrong := np.count_nonzero((enroll == test) != target):
        return None, None, f"no interval: the speakers of {wrong:,} of {len(table):,} trials contradict the answer"
    return enroll, test, None


def _is_parquet(uri: str) -> bool:
    system, path = location.filesystem(uri)
    with system.open_input_stream(path, compression=None) as stream:
        return bool(stream.read(4) == b"PAR1")
