"""Read trial lists in the formats they are published in."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from avis.foreign import read_parquet
from avis.location import read_bytes
from avis.names import is_text, names
from avis.schema import TRIALS
from avis.storage_fault import StorageError

FORMATS = (
    "'<0|1> <enroll> <test>' (VoxCeleb), '<enroll> <test> <target|nontarget>' (Kaldi, NIST key), <tgt|imp> (VOiCES) or "
    "<0|1> (CN-Celeb), '<enroll> <test>' (NIST ndx), or CSV, TSV or Parquet with columns enroll, test, target (or "
    "label, key, is_target) or NIST's modelid, segmentid, targettype"
)

ANSWERS = {
    **dict.fromkeys(("1", "target", "tgt", "true", "same", "genuine"), True),
    **dict.fromkeys(("0", "nontarget", "non-target", "non_target", "nontgt", "imp", "impostor", "imposter"), False),
    **dict.fromkeys(("false", "different"), False),
}
"""How lists and scores answer, in lower case: VoxCeleb, Kaldi and NIST, BOSARIS and VOiCES, tables of truth values."""

_NIST = {"modelid": "enroll", "segmentid": "test", "targettype": "target"}
"""Columns of NIST's tables since SRE16; the conditions beside them (``side``, ``gender``, ...) keep their names."""

_ANSWER_COLUMNS = ("is_target", "istarget", "label", "key")
"""What tables without ``target`` call their answers; beside ``target`` these are conditions."""


class _Layout(NamedTuple):
    """Where the words of a line stand; ``answer`` is None where the list has none."""

    enroll: int
    test: int
    answer: int | None

    def fits(self, words: list[str]) -> bool:
        """Tell whether one line may be of this layout."""
        if self.answer is None:
            return len(words) == 2 and not any(word.lower() in ANSWERS for word in words)
        return len(words) == 3 and words[self.answer].lower() in ANSWERS


_LAYOUTS = (
    _Layout(enroll=1, test=2, answer=0),
    _Layout(enroll=0, test=1, answer=2),
    _Layout(enroll=0, test=1, answer=None),
)


class _Source(NamedTuple):
    """Where a row came from, for messages."""

    path: str
    unit: str
    numbers: NDArray[np.int64]

    def at(self, row: int) -> str:
        return f"At {self.path} {self.unit} {self.numbers[row]}."


def read_trials(path: str | Path) -> pa.Table:
    """Read a trial list; the format follows from its content, not its name.

    Parameters
    ----------
    path : str or Path
        File or URI (``s3://``, ``gs://``) holding one of:

        - VoxCeleb lines ``<0|1> <enroll> <test>``;
        - Kaldi or NIST key lines ``<enroll> <test> <target|nontarget>``, VOiCES ones ``<enroll> <test> <tgt|imp>``;
        - NIST ndx lines ``<enroll> <test>``, without answers;
        - CSV (comma or tab, with a header) or Parquet with columns ``enroll``, ``test`` and, where the answers are
          known, ``target`` (or ``label``, ``key``, ``is_target``), or with NIST's ``modelid``, ``segmentid`` and
          ``targettype`` (SRE16 to SRE21).

        An answer is one of `ANSWERS` in any case.

    Returns
    -------
    pyarrow.Table
        Columns of `avis.schema.TRIALS`, then every other column of a table as a condition, in file order. Names and
        conditions of text are as `avis.names` has them.

    Raises
    ------
    ValueError
        If the file cannot be read, the format is none of these or may be two of them, a line is malformed, or there is
        no trial.
    """
    name = str(path)
    try:
        data = read_bytes(name)
    except StorageError:
        raise
    except OSError as error:
        raise ValueError(
            f"trial list cannot be read: got {error.strerror or error}, expected a file. At {name}. "
            "Correct trials=<path>."
        ) from error
    try:
        trials = _from_parquet(data, name) if data[:4] == b"PAR1" else _from_text(data, name)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"trial list cannot be parsed: got {str(error).splitlines()[0]!r}, expected a whole table. At {name}. "
            "Write it again."
        ) from error
    if trials.num_rows == 0:
        raise ValueError(
            f"A trial list has trials: got trials=0, expected at least one. At {name}. Check that the file is whole."
        )
    return trials


def check_both_kinds(trials: pa.Table, *, where: str) -> None:
    """Raise ValueError where all known answers are alike: no error rate can be had from such a list."""
    known = trials["target"].drop_null()
    num_target = pc.sum(known).as_py() or 0
    if len(known) and num_target in (0, len(known)):
        raise ValueError(
            f"Error rates need both kinds of trial: got num_target={num_target} and "
            f"num_nontarget={len(known) - num_target}, expected at least one of each. At {where}. "
            "Add the missing kind, or leave every answer empty if none is known."
        )


def _from_parquet(data: bytes, name: str) -> pa.Table:
    table = read_parquet(data, name)
    _check_one_vocabulary([_known_column(column) for column in table.column_names], f"At {name}.")
    return _from_table(table, _Source(name, "row", np.arange(1, table.num_rows + 1)))


def _from_text(data: bytes, name: str) -> pa.Table:
    """Parse a text list ``<enroll, test, answer per line>`` of any of the text formats."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"Trial lists are UTF-8 text or Parquet: got byte {data[error.start]:#04x}, expected {FORMATS}. "
            f"At {name} line {line}. Write the list again in one of these."
        ) from error
    raw = pa.array(data.removeprefix(b"\xef\xbb\xbf").splitlines(), pa.string())
    lines = pc.ascii_trim_whitespace(raw)
    filled = pc.not_equal(lines, "")
    source = _Source(name, "line", np.flatnonzero(filled) + 1)
    raw, lines = raw.filter(filled), lines.filter(filled)
    if len(lines) == 0:
        return TRIALS.empty_table()
    first = lines[0].as_py()
    delimiter = "\t" if "\t" in first else ","
    try:
        header = [_known_column(column) for column in next(csv.reader([first], delimiter=delimiter))]
    except csv.Error:  # such as a line longer than any header
        header = []
    if {"enroll", "test"} <= set(header) or {"modelid", "segmentid"} <= set(header):
        _check_one_vocabulary(header, source.at(0))
        return _from_csv(raw if delimiter == "\t" else lines, header, source, delimiter=delimiter)
    return _from_words(lines, source)


def _known_column(column: str) -> str:
    """Return the name of a column, in lower case and without blanks around where it is one that lists have."""
    plain = column.strip().lower()
    return plain if plain in (*TRIALS.names, *_NIST, *_ANSWER_COLUMNS) else column


def _from_words(lines: pa.Array, source: _Source) -> pa.Table:
    """Split lines of words, of the layout that the first line fits; where it fits two, the other lines decide."""
    words = pc.ascii_split_whitespace(lines)
    layouts = [layout for layout in _LAYOUTS if layout.fits(words[0].as_py())]
    if not layouts:
        raise ValueError(
            f"The format of a trial list must be known: got {lines[0].as_py()!r}, expected {FORMATS}. {source.at(0)}"
        )
    num_words = len(words[0])
    complete = np.asarray(pc.equal(pc.list_value_length(words), num_words))
    if not complete.all():
        row = int(np.argmin(complete))
        raise ValueError(
            f"A line of this trial list has {num_words} words: got {lines[row].as_py()!r}, expected {FORMATS}. "
            f"{source.at(row)}"
        )
    columns = [pc.list_element(words, place) for place in range(num_words)]
    if len(layouts) > 1:
        layouts = [it for it in layouts if it.answer is not None and _all_answers(columns[it.answer])]
    if len(layouts) != 1:
        raise ValueError(
            f"A trial list has one format: got {lines[0].as_py()!r}, which may be VoxCeleb's or Kaldi's, and the other "
            f"lines do not decide, expected {FORMATS}. {source.at(0)} Write it as CSV with a header."
        )
    [layout] = layouts
    answer = pa.nulls(len(lines)) if layout.answer is None else columns[layout.answer]
    ids = {"enroll": columns[layout.enroll], "test": columns[layout.test]}
    return _from_table(pa.table({**ids, "target": answer}), source)


def _all_answers(column: pa.Array) -> bool:
    return bool(pc.all(pc.is_in(pc.utf8_lower(column), pa.array(list(ANSWERS)))).as_py())


def _from_csv(lines: pa.Array, header: list[str], source: _Source, *, delimiter: str) -> pa.Table:
    """Parse rows of delimited values, below a header."""
    wrong: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader("\n".join([*lines.to_pylist(), ""]).encode()),
        read_options=pa.csv.ReadOptions(use_threads=False, column_names=header, skip_rows=1),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=remember),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys([*TRIALS.names, *_NIST, *_ANSWER_COLUMNS], pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    if wrong:
        row = wrong[0]
        raise ValueError(
            f"Every row of a table has the header's columns: got {row.actual_columns} values in {row.text!r}, expected "
            f"{row.expected_columns}. {source.at(row.number - 1)}"
        )
    return _from_table(table, source._replace(numbers=source.numbers[1:]))


def _check_one_vocabulary(columns: list[str], at: str) -> None:
    """Refuse a table that has columns of TRIALS and of NIST, or two of answers: either could be the trials."""
    answers = [column for column in columns if column in _ANSWER_COLUMNS]
    twice = len(answers) > 1 and not {"target", "targettype"} & {*columns}
    if twice or ({*TRIALS.names} & {*columns} and {*_NIST} & {*columns}):
        raise ValueError(
            f"A table of trials names its columns in one way: got columns={columns}, expected enroll, test, target or "
            f"modelid, segmentid, targettype. {at} Remove or rename {' or '.join(answers) if twice else 'one set'}."
        )


def _from_table(table: pa.Table, source: _Source) -> pa.Table:
    """Bring a table's columns into the order and types of `TRIALS`, keeping the others after them."""
    columns = [_known_column(column) for column in table.column_names]
    answered = "target" in columns or "targettype" in columns
    roles = _NIST | ({} if answered else dict.fromkeys(_ANSWER_COLUMNS, "target"))
    columns = [roles.get(column, column) for column in columns]
    table = table.rename_columns(columns)
    if not {"enroll", "test"} <= set(columns) or len(set(columns)) < len(columns):
        raise ValueError(
            f"A table of trials has columns enroll, test and target once each: got columns={columns}, expected "
            f"{FORMATS}. At {source.path}."
        )
    target = table["target"] if "target" in columns else pa.nulls(table.num_rows, pa.bool_())
    ids = {column: names(table[column], where=f"{source.path} column {column}") for column in ("enroll", "test")}
    for column, values in ids.items():
        if values.null_count:
            row = int(np.argmax(np.asarray(pc.is_null(values))))
            raise ValueError(f"Every trial has two ids: got an empty {column}, expected an utterance. {source.at(row)}")
    trials = pa.Table.from_arrays([*ids.values(), as_answers(target, at=source.at)], schema=TRIALS)
    for condition in (column for column in columns if column not in TRIALS.names):
        values = table[condition]
        if is_text(values.type):
            values = names(values, where=f"{source.path} column {condition}")
        trials = trials.append_column(condition, values)
    return trials


def as_answers(column: pa.Array | pa.ChunkedArray, *, at: Callable[[int], str]) -> pa.Array | pa.ChunkedArray:
    """Turn answers of any plain type into bool, keeping unknown ones null.

    Raises
    ------
    ValueError
        If one is no answer; ``at`` tells of a row where it stands.
    """
    if pa.types.is_null(column.type):
        return column.cast(pa.bool_())
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        plain = column.cast(pa.float64())
        plain = pc.if_else(pc.is_nan(plain), None, plain)
        spellings, meanings = pa.array([1.0, 0.0]), [True, False]
    else:
        plain = pc.utf8_lower(names(column, where="answers"))
        spellings, meanings = pa.array(list(ANSWERS)), list(ANSWERS.values())
    position = pc.index_in(plain, value_set=spellings)
    unclear = np.asarray(pc.and_(pc.is_null(position), pc.is_valid(plain)))
    if unclear.any():
        row = int(np.argmax(unclear))
        raise ValueError(
            f"An answer is one of {', '.join(ANSWERS)}: got target={column[row].as_py()!r}, expected {FORMATS}. "
            f"{at(row)}"
        )
    return pa.array(meanings).take(position)
