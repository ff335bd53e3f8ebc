"""Read trials in text, lists and scores alike: lines of words, or a table below a header, told by their content."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from avis.names import names

ANSWERS = {
    **dict.fromkeys(("1", "target", "tgt", "true", "same", "genuine"), True),
    **dict.fromkeys(("0", "nontarget", "non-target", "non_target", "nontgt", "imp", "impostor", "imposter"), False),
    **dict.fromkeys(("false", "different"), False),
}
"""How lists and scores answer, in lower case: VoxCeleb, Kaldi and NIST, BOSARIS and VOiCES, tables of truth values."""

SPELLINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "enroll": (("enroll", "modelid"), ("enrol", "enrolment", "enrollment", "enroll_id", "enrol_id")),
    "test": (("test", "segmentid"), ("probe", "test_id", "probe_id")),
    "target": (("target", "targettype"), ("is_target", "istarget", "label", "key")),
    "score": (("score",), ("scores", "similarity", "cosine")),
    "llr": (("llr",), ()),
}
"""How the header of a table may spell a column, in any case: AVIS's and NIST's names, then what counts without these.

NIST's are those of its tables since SRE16. Beside one of the first, the others are conditions of the trials.
"""

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:nan|inf|infinity)$"

Layout = tuple[str, ...]
"""What the words of a line are, in order: ``enroll``, ``test``, ``target``, ``score``."""


@dataclass(frozen=True)
class Format:
    """What a text may look like.

    Parameters
    ----------
    what : str
        For messages: a trial list, a score file.
    layouts : tuple of Layout
        Of lines without a header.
    columns : tuple of str
        Columns of `SPELLINGS` that a header may name.
    expected : str
        Says for messages what is understood.
    """

    what: str
    layouts: tuple[Layout, ...]
    columns: tuple[str, ...]
    expected: str


class Source(NamedTuple):
    """Where a row came from, for messages."""

    path: str
    unit: str
    numbers: NDArray[np.int64]

    def at(self, row: int) -> str:
        """Return the place of a row."""
        return f"At {self.path} {self.unit} {self.numbers[row]}."


def read_text(data: bytes, path: str, kind: Format) -> tuple[pa.Table, Source]:
    """Split a text into columns of text, those of `SPELLINGS` by their names.

    A header is a first line that names both sides of a trial, or a score and an answer, between tabs, commas or blanks.
    Where the first line may be of several layouts, the other lines decide.

    Returns
    -------
    table : pyarrow.Table
        Other columns of a table have whatever type their values have.
    source : Source
        Says of a row where it stands.

    Raises
    ------
    ValueError
        If the text is not UTF-8, its format is none of the kind or may be two of them, or a line is malformed.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{kind.what.capitalize()}s are UTF-8 text or Parquet: got byte {data[error.start]:#04x}, expected "
            f"{kind.expected}. At {path} line {line}. Write it again in one of these."
        ) from error
    raw = pa.array(data.removeprefix(b"\xef\xbb\xbf").splitlines(), pa.string())
    lines = pc.ascii_trim_whitespace(raw)
    filled = pc.not_equal(lines, "")
    source = Source(path, "line", np.flatnonzero(filled) + 1)
    raw, lines = raw.filter(filled), lines.filter(filled)
    if len(lines) == 0:
        return pa.table({name: pa.nulls(0, pa.string()) for name in kind.columns}), source
    first = lines[0].as_py()
    delimiter = next((mark for mark in "\t," if mark in first), None)
    try:
        written = next(csv.reader([first], delimiter=delimiter)) if delimiter else first.split()
    except csv.Error:  # such as a line longer than any header
        written = []
    if not _is_header(written):
        return _of_layout(lines, source, kind), source
    header = named_columns(written, kind.columns, at=source.at(0))
    below = source._replace(numbers=source.numbers[1:])
    if delimiter is None:
        return _words(lines, header, source, kind).slice(1), below
    return _delimited(raw if delimiter == "\t" else lines, header, source, kind, delimiter=delimiter), below


def named_columns(written: Sequence[str], wanted: Sequence[str], *, at: str) -> list[str]:
    """Return the names of a table's columns, with the ``wanted`` ones of `SPELLINGS` by their first spelling.

    Raises
    ------
    ValueError
        If two columns may be the same; ``at`` says where.

    Examples
    --------
    >>> named_columns(["modelid", "segmentid", "side", "LLR"], tuple(SPELLINGS), at="")
    ['enroll', 'test', 'side', 'llr']
    """
    columns, plain = list(written), [column.strip().lower() for column in written]
    for name in wanted:
        sure, others = ([column for column in plain if column in spelled] for spelled in SPELLINGS[name])
        found = sure or others
        if len(found) > 1:
            raise ValueError(
                f"A table of trials names its columns in one way: got columns={columns}, expected one {name}. {at} "
                f"Remove or rename {' or '.join(found)}."
            )
        for column in found:
            columns[plain.index(column)] = name
    return columns


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
            f"An answer is one of {', '.join(ANSWERS)}: got target={column[row].as_py()!r}, expected one of these. "
            f"{at(row)} Correct it."
        )
    return pa.array(meanings).take(position)


def as_numbers(column: pa.Array, *, at: Callable[[int], str]) -> pa.Array:
    """Turn scores in text into float64, keeping what is missing null.

    Raises
    ------
    ValueError
        If a text is no number; ``at`` tells of a row where it stands.
    """
    odd = np.asarray(pc.invert(pc.fill_null(_may_be("score", column), True)))
    if odd.any():
        row = int(np.argmax(odd))
        raise ValueError(
            f"A score is a number: got score={column[row].as_py()!r}, expected digits. {at(row)} Correct it."
        )
    return pc.replace_substring_regex(column, r"^\+", "").cast(pa.float64())


def _is_header(written: Sequence[str]) -> bool:
    """Tell whether a first line names columns."""
    spelled = {column.strip().lower() for column in written}
    named = {name for name, (sure, others) in SPELLINGS.items() if spelled & {*sure, *others}}
    return {"enroll", "test"} <= named or ("target" in named and bool({"score", "llr"} & named))


def _of_layout(lines: pa.Array, source: Source, kind: Format) -> pa.Table:
    """Split lines of words, of the layout that the first line fits; where it fits two, the other lines decide."""
    first = pc.ascii_split_whitespace(lines[:1])[0].as_py()
    layouts = [layout for layout in kind.layouts if _first_fits(layout, first)]
    if not layouts:
        raise ValueError(
            f"The format of a {kind.what} must be known: got {lines[0].as_py()!r}, expected {kind.expected}. "
            f"{source.at(0)}"
        )
    table = _words(lines, [str(place) for place in range(len(first))], source, kind)
    if len(layouts) > 1:
        layouts = [layout for layout in layouts if all(map(_all_fit, layout, table.columns))]
    if len(layouts) != 1:
        fitting = " or ".join(spelled(layout) for layout in kind.layouts if _first_fits(layout, first))
        raise ValueError(
            f"A {kind.what} has one format: got {lines[0].as_py()!r}, which may be {fitting}, and the other lines do "
            f"not decide, expected {kind.expected}. {source.at(0)} Write it as CSV with a header."
        )
    return table.rename_columns(list(layouts[0]))


def spelled(layout: Layout) -> str:
    """Write a layout for a message.

    >>> spelled(("target", "score"))
    "'<label> <score>'"
    """
    return f"'{' '.join(f'<{name}>' for name in layout).replace('target', 'label')}'"


def _first_fits(layout: Layout, words: list[str]) -> bool:
    if len(words) != len(layout):
        return False
    if layout == ("enroll", "test"):
        return not any(word.lower() in ANSWERS for word in words)
    return all(_all_fit(name, pa.array([word])) for name, word in zip(layout, words, strict=True))


def _all_fit(name: str, column: pa.Array | pa.ChunkedArray) -> bool:
    return bool(pc.all(_may_be(name, column)).as_py())


def _may_be(name: str, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Tell of each word whether it may stand for an answer, a score, or the side of a trial, which any word may."""
    if name == "target":
        return pc.is_in(pc.utf8_lower(column), pa.array(list(ANSWERS)))
    return pc.match_substring_regex(column, NUMBER if name == "score" else "")


def _words(lines: pa.Array, columns: Sequence[str], source: Source, kind: Format) -> pa.Table:
    """Split lines of as many words each as there are columns."""
    words = pc.ascii_split_whitespace(lines)
    complete = np.asarray(pc.equal(pc.list_value_length(words), len(columns)))
    if not complete.all():
        row = int(np.argmin(complete))
        raise ValueError(
            f"Every line of this {kind.what} has {len(columns)} words: got {lines[row].as_py()!r}, expected "
            f"{kind.expected}. {source.at(row)} Correct the line."
        )
    return pa.table([pc.list_element(words, place) for place in range(len(columns))], names=list(columns))


def _delimited(lines: pa.Array, header: list[str], source: Source, kind: Format, *, delimiter: str) -> pa.Table:
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
            column_types=dict.fromkeys(kind.columns, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    if wrong:
        row = wrong[0]
        raise ValueError(
            f"Every row of a table has the header's columns: got {row.actual_columns} values in {row.text!r}, expected "
            f"{row.expected_columns}. {source.at(row.number - 1)}"
        )
    return table
