"""Read scored trials: a scores table, a Parquet file, or text, at once or in chunks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.evaluation.matching import PAIR, matching_rows
from avis.evaluation.score_lines import FORMATS, SCORE_FILE, text_scores
from avis.metrics.scores import check
from avis.metrics.trials import Trials
from avis.names import as_text, is_text, names
from avis.schema import DECIDING_SCORES
from avis.scoring.trial_text import as_answers, named_columns

TRIALS_PER_PART = 500_000
ORIGIN = "origin"
"""Key of a manifest: what made the scores, as far as that does not change them."""

CHECKPOINT = "checkpoint SHA-256"
"""Key of the origin: what distinguishes one system from another."""

TRAINED_ON = "trained on"
"""Key of the origin: what the model and those before it were trained on, in words."""

CALIBRATION = "calibration"
"""Key of a manifest: what the ratios' calibration rests on, and where they are capped."""

FUSION = "fusion"
"""Key of a manifest: the systems that were fused, their weights, and the offset."""

LEFT_OUT = "left_out"
"""Key of a manifest: what of the list was not scored, see `avis.metrics.list_metrics.LeftOut`; not there where all was.
"""

CHUNK_TRIALS = 1_000_000
SPEAKERS = ("enroll_speaker", "test_speaker")
NO_SPEAKERS = "no interval: the scores do not say who speaks (columns enroll_speaker and test_speaker)"


class ScoreTable:
    """Scored trials in a table or file, read when asked for.

    Parameters
    ----------
    uri : str
        A scores table, a Parquet file with columns ``target`` and ``score`` or spelled otherwise (see
        `avis.scoring.trial_text.SPELLINGS`), or a text file; see `avis.evaluation.score_lines`.

    Attributes
    ----------
    columns : list of str
        Without scores of `avis.schema.DECIDING_SCORES` that no trial has.
    num_trials : int
        Trials of all parts.
    deciding : str
        The column by which trials are ordered; see `avis.schema.DECIDING_SCORES`.

    Raises
    ------
    ValueError
        If there is nothing, a line is malformed, or a column is missing.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._whole: pa.Table | None = None
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
            self._whole = text_scores(location.read_bytes(uri), uri).combine_chunks()
        schema = store.open_part(self._parts[0]).schema_arrow if self._whole is None else self._whole.schema
        named = named_columns(schema.names, SCORE_FILE.columns, at=f"At {uri}.")
        self._written = dict(zip(named, schema.names, strict=True))
        self._empty = schema.empty_table().rename_columns(named)
        if "target" not in named and {*PAIR} <= {*named}:
            batches = [self._empty, *(pa.Table.from_batches([batch]) for batch in self._batches(named))]
            read = pa.concat_tables(batches).combine_chunks()
            self._whole = read.append_column("target", pa.nulls(len(read), pa.bool_()))
            self._empty = self._whole.schema.empty_table()
        optional = set(DECIDING_SCORES) - {"score"}
        self.columns = [name for name in self._empty.column_names if name not in optional or self._has_values(name)]
        files = [store.open_part(part) for part in self._parts] if self._whole is None else []
        self.num_trials = sum(f.metadata.num_rows for f in files) if self._whole is None else len(self._whole)
        self.deciding = next((name for name in DECIDING_SCORES if name in self.columns), "score")
        self.require({"target", self.deciding})

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
                f"Add {', '.join(lacking)}{'' if self._whole is None else f': lines may be {FORMATS}'}."
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
        if self._whole is None or "enroll" not in self.columns or not self._whole["target"].null_count:
            return
        rows = matching_rows(self._whole.select(list(PAIR)), pairs, self.uri)
        self._whole = self._whole.set_column(self.columns.index("target"), "target", pa.array(target[rows]))

    def table(self, columns: list[str], *, answered: bool = True) -> pa.Table:
        """Read some columns of all trials, of which ``target`` is one unless answers may be unknown.

        Raises
        ------
        ValueError
            If an answer is unknown that must be known, or a file is corrupt.
        """
        empty = self._answered(self._empty.select(columns), required=False)
        return pa.concat_tables([empty, *self._tables(columns, answered=answered)])

    def rows(self, columns: list[str], numbers: list[int]) -> pa.Table:
        """Read some columns of a few trials, whose numbers count from 0, in the order asked for."""
        if self._whole is not None:
            return self._whole.select(columns).take(pa.array(numbers, pa.int64()))
        written = [self._written[name] for name in columns]
        asked_for, first = np.array(numbers, dtype=np.int64), 0
        tables, places = [self._empty.select(columns)], [np.zeros(0, dtype=np.int64)]
        for uri in self._parts:
            file = store.open_part(uri)
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                places.append(np.flatnonzero((asked_for >= first) & (asked_for < end)))
                if places[-1].size:
                    try:
                        table = file.read_row_group(group, columns=written).select(written).rename_columns(columns)
                    except (pa.ArrowInvalid, OSError) as error:
                        raise store.corrupt_shard(uri, error) from error
                    tables.append(table.take(pa.array(asked_for[places[-1]] - first)))
                first = end
        return pa.concat_tables(tables).take(pa.array(np.argsort(np.concatenate(places))))

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read one kind of score and the answers, some trials at a time."""
        for table in self._tables(["target", column]):
            yield score_values(table[column]), table["target"].to_numpy(zero_copy_only=False)

    def _tables(self, columns: list[str], *, answered: bool = True) -> Iterator[pa.Table]:
        for batch in self._batches(columns):
            yield self._answered(pa.Table.from_batches([batch]), required=answered)

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self._whole is not None:
            yield from self._whole.select(columns).to_batches()
            return
        written = [self._written[name] for name in columns]
        for uri in self._parts:
            try:
                for batch in store.open_part(uri).iter_batches(CHUNK_TRIALS, columns=written):
                    yield batch.select(written).rename_columns(columns)
            except (pa.ArrowInvalid, OSError) as error:
                raise store.corrupt_shard(uri, error) from error

    def _answered(self, table: pa.Table, *, required: bool) -> pa.Table:
        """Understand the words of answers, all of which must be there if ``required``."""
        if "target" in table.column_names and is_text(table["target"].type):
            answers = as_answers(table["target"], at=lambda _: f"At {self.uri}.")
            table = table.set_column(table.column_names.index("target"), "target", answers)
        if required and table["target"].null_count:
            raise ValueError(
                f"answers unknown: got {table['target'].null_count} trials without target, expected none. "
                f"At {self.uri}. Give the list that has the answers as trials=<list>."
            )
        return table


class ScoredTrials(NamedTuple):
    """All trials of a table.

    Attributes
    ----------
    trials : Trials
        Scores and answers, with log-likelihood ratios and speakers where the table has them.
    columns : pyarrow.Table
        Further columns of the same trials.
    no_speakers : str or None
        Why the trials have no speakers; None where they have them.
    """

    trials: Trials
    columns: pa.Table
    no_speakers: str | None


def read_scores(scores: ScoreTable, *, columns: Collection[str] = ()) -> ScoredTrials:
    """Read all trials, and some further columns of theirs.

    Speakers are left out where they are not known of all trials, or contradict an answer.

    Raises
    ------
    ValueError
        If a column is missing, or see `ScoreTable.table` and `avis.metrics.scores.check`.
    """
    scores.require(columns)
    optional = [name for name in ("llr", *SPEAKERS) if name in scores.columns]
    table = scores.table(list(dict.fromkeys(["target", scores.deciding, *columns, *optional])))
    target = table["target"].to_numpy(zero_copy_only=False)
    enroll, test, no_speakers = speaker_numbers(table, target)
    llr = score_values(table["llr"]) if "llr" in scores.columns else None
    with scores.named():
        values, target = check(score_values(table[scores.deciding]), target)
    trials = Trials(values, target, llr, enroll, test)
    further = table.select(list(columns))
    for index, field in enumerate(further.schema):
        if field.name in PAIR or is_text(field.type):
            compared = names(further[field.name], where=f"{scores.uri} column {field.name}")
            further = further.set_column(index, field.name, compared)
    return ScoredTrials(trials, further, no_speakers)


def aligned(ours: ScoredTrials, theirs: ScoredTrials, uri: str) -> Trials:
    """Return their trials in the order of ours; both have the columns `PAIR`, and ``uri`` says where theirs are.

    Raises
    ------
    ValueError
        If they are not the same trials, or have other answers.
    """
    rows = matching_rows(ours.columns.select(list(PAIR)), theirs.columns.select(list(PAIR)), uri)
    trials = theirs.trials.take(rows)
    if differing := np.count_nonzero(trials.target != ours.trials.target):
        raise ValueError(
            f"other answers in the baseline: got {differing} of {len(rows)} trials that are target in one list and "
            f"non-target in the other, expected none. At {uri}. Score one trial list with both systems."
        )
    return trials


def score_values(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as float32 where it is that, else as float64; what is missing becomes NaN."""
    dtype: Any = np.float32 if pa.types.is_float32(column.type) else np.float64
    return column.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


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
    with location.open_file(uri) as stream:
        return bool(stream.read(4) == b"PAR1")
