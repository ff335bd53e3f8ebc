"""Trial lists: read them in the formats they are published in, and tie their ids to a store."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avis.location import read_bytes
from avis.schema import TRIALS

FORMATS = (
    "'<0|1> <enroll> <test>' (VoxCeleb), '<enroll> <test> <target|nontarget>' (Kaldi), or CSV or Parquet with columns "
    "enroll, test, target"
)
AUDIO_SUFFIX = r"(?i)\.(wav|flac|ogg|opus|mp3|m4a)$"
"""Suffixes that published lists carry on their ids and utterance ids don't."""

_VOXCELEB = {"1": True, "0": False}
_KALDI = {"target": True, "nontarget": False}
_TABLE = {**_VOXCELEB, **_KALDI, "true": True, "false": False}
_MAX_NAMED = 10


class _Source(NamedTuple):
    """Where a row came from, for messages."""

    path: str
    unit: str
    numbers: NDArray[np.int64]

    def at(self, row: int) -> str:
        return f"At {self.path} {self.unit} {self.numbers[row]}."


def read_trials(path: str | Path) -> pa.Table:
    """Read a trial list; the format is told from its content, not its name.

    Parameters
    ----------
    path
        File or URI (``s3://``, ``gs://``) holding VoxCeleb lines ``<0|1> <enroll> <test>``, Kaldi lines
        ``<enroll> <test> <target|nontarget>``, or CSV (comma or tab, with a header) or Parquet with columns ``enroll``,
        ``test`` and, where the answers are known, ``target``.

    Returns
    -------
    pa.Table
        Columns of `avis.schema.TRIALS`, then every other column of a table as a condition, in file order.

    Raises
    ------
    ValueError
        If the file cannot be read, the format is not one of these, a line is malformed, there is no trial, or all known
        answers are alike.
    """
    name = str(path)
    try:
        data = read_bytes(name)
    except OSError as error:
        raise ValueError(
            f"trial list cannot be read: got {error.strerror or error}, expected a file. At {name}. "
            "Correct trials=<path>."
        ) from error
    if data[:4] == b"PAR1":
        table = pq.read_table(pa.BufferReader(data))
        trials = _from_table(table, _Source(name, "row", np.arange(1, table.num_rows + 1)))
    else:
        trials = _from_text(data, name)
    if trials.num_rows == 0:
        raise ValueError(
            f"A trial list has trials: got trials=0, expected at least one. At {name}. Check that the file is whole."
        )
    known = trials["target"].drop_null()
    num_target = pc.sum(known).as_py() or 0
    if len(known) and num_target in (0, len(known)):
        raise ValueError(
            f"Error rates need both kinds of trial: got num_target={num_target} and "
            f"num_nontarget={len(known) - num_target}, expected at least one of each. At {name}. "
            "Add the missing kind, or leave every answer empty if none is known."
        )
    return trials


def resolve(trials: pa.Table, utt_ids: pa.Array | pa.ChunkedArray, *, corpora: Sequence[str]) -> pa.Table:
    """Replace the ids of a trial list by the utterance ids of a store.

    An id stands for the utterance of that name, else for ``<corpus>/<id>``, else for either of them with the audio
    suffix of the id removed: published lists name files.

    Parameters
    ----------
    trials
        Table with columns ``enroll`` and ``test``; see `read_trials`.
    utt_ids
        Utterance ids of the store ``[utterances]``.
    corpora
        Names of the corpora that the list may have been made for.

    Returns
    -------
    pa.Table
        The same rows and columns, with utterance ids in ``enroll`` and ``test``.

    Raises
    ------
    ValueError
        If an id is not in the store or is in several corpora, or both sides of a trial are the same utterance.

    Examples
    --------
    >>> trials = pa.table({"enroll": ["a/1.wav"], "test": ["vox/b/2"], "target": [False]})
    >>> resolve(trials, pa.array(["vox/a/1", "vox/b/2"]), corpora=["vox"])["enroll"].to_pylist()
    ['vox/a/1']
    """
    known = _flat(utt_ids)
    listed = pc.unique(pa.chunked_array([*trials["enroll"].chunks, *trials["test"].chunks], pa.string()))
    bare = pc.replace_substring_regex(listed, AUDIO_SUFFIX, "")
    exact = pc.coalesce(*(pc.index_in(ids, known) for ids in (listed, bare)))
    inside = [
        pc.index_in(pc.binary_join_element_wise(name, ids, "/"), known) for ids in (listed, bare) for name in corpora
    ]
    position = pc.coalesce(exact, *inside)
    several = [pc.and_kleene(pc.is_null(exact), pc.not_equal(found, position)) for found in inside]
    ambiguous = listed.filter(functools.reduce(pc.or_kleene, several)) if several else listed[:0]
    if len(ambiguous):
        raise ValueError(
            f"Trials must name one utterance each: got {len(ambiguous)} ids that several corpora have, "
            f"expected ids of one of {list(corpora)}. At {_some(ambiguous)}. Write them as <corpus>/<id> in the list."
        )
    missing = listed.filter(pc.is_null(position))
    if len(missing):
        raise ValueError(
            f"Trials must name utterances of the store: got {len(missing)} unknown ids, expected utterance ids or "
            f"file names of one of the corpora {list(corpora)}. At {_some(missing)}. Prepare the corpus of the list."
        )
    utterance = known.take(position)
    for side in ("enroll", "test"):
        ids = utterance.take(pc.index_in(trials[side], value_set=listed))
        trials = trials.set_column(trials.schema.get_field_index(side), TRIALS.field(side), ids)
    own = trials["test"].filter(pc.equal(trials["enroll"], trials["test"]))
    if len(own):
        raise ValueError(
            f"A trial compares two utterances: got {len(own)} trials of an utterance with itself, expected none. "
            f"At {_some(own)}. Remove them from the list: their score is always perfect."
        )
    return trials


def gather(ids: pa.Array | pa.ChunkedArray, utt_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the row of every id in a table whose ids are ``utt_ids``.

    Parameters
    ----------
    ids
        Utterance ids to look up ``[trials]``.
    utt_ids
        Ids of the table's rows ``[rows]``, each once.

    Returns
    -------
    NDArray
        Row indices, int64 ``[trials]``.

    Raises
    ------
    ValueError
        If an id has no row or more than one.

    Examples
    --------
    >>> gather(pa.array(["b", "a", "b"]), pa.array(["a", "b"]))
    array([1, 0, 1])
    """
    known = _flat(utt_ids)
    counts = pc.value_counts(known)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise ValueError(
            f"Embeddings have one row per utterance: got {len(repeated)} repeated utt_ids, expected none. "
            f"At {_some(repeated)}. Remove the embeddings table and write it again."
        )
    rows = pc.index_in(ids, value_set=known)
    missing = pc.unique(_flat(ids).filter(_flat(pc.is_null(rows))))
    if len(missing):
        raise ValueError(
            f"Every utterance of a trial needs an embedding: got {len(missing)} utterances without one, expected 0. "
            f"At {_some(missing)}. Embed the utterances of this list first."
        )
    return rows.to_numpy().astype(np.int64)


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
    lines = pc.ascii_trim_whitespace(pa.array(data.removeprefix(b"\xef\xbb\xbf").splitlines(), pa.string()))
    filled = pc.not_equal(lines, "")
    source = _Source(name, "line", np.flatnonzero(filled) + 1)
    lines = lines.filter(filled)
    if len(lines) == 0:
        return TRIALS.empty_table()
    first = lines[0].as_py()
    header = [column.strip('" ') for column in re.split(r"[,\t]", first)]
    if {"enroll", "test"} <= set(header):
        return _from_csv(lines, source, delimiter="\t" if "\t" in first else ",")
    words = first.split()
    if len(words) == 3 and words[2] in _KALDI:
        return _from_words(lines, source, places=(0, 1, 2), answers=_KALDI)
    if len(words) == 3 and words[0] in _VOXCELEB:
        return _from_words(lines, source, places=(1, 2, 0), answers=_VOXCELEB)
    raise ValueError(f"The format of a trial list must be known: got {first!r}, expected {FORMATS}. {source.at(0)}")


def _from_words(
    lines: pa.Array, source: _Source, *, places: tuple[int, int, int], answers: dict[str, bool]
) -> pa.Table:
    """Split lines of three words, whose enrolment, test and answer stand at ``places``."""
    words = pc.ascii_split_whitespace(lines)
    complete = pc.equal(pc.list_value_length(words), 3).to_numpy(zero_copy_only=False)
    if not complete.all():
        row = int(np.argmin(complete))
        raise ValueError(
            f"A line of a trial list has three words: got {lines[row].as_py()!r}, expected {FORMATS}. {source.at(row)}"
        )
    enroll, test, answer = (pc.list_element(words, place) for place in places)
    return pa.Table.from_arrays([enroll, test, _as_answers(answer, answers, source)], schema=TRIALS)


def _from_csv(lines: pa.Array, source: _Source, *, delimiter: str) -> pa.Table:
    """Parse a header and rows of delimited values."""
    wrong: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    table = pa.csv.read_csv(
        pa.BufferReader("\n".join([*lines.to_pylist(), ""]).encode()),
        read_options=pa.csv.ReadOptions(use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=remember),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(TRIALS.names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    if wrong:
        row = wrong[0]
        raise ValueError(
            f"Every row of a table has the header's columns: got {row.actual_columns} values in {row.text!r}, expected "
            f"{row.expected_columns}. {source.at(row.number - 1)}"
        )
    return _from_table(table, source._replace(numbers=source.numbers[1:]))


def _from_table(table: pa.Table, source: _Source) -> pa.Table:
    """Bring a table's columns into the order and types of `TRIALS`, keeping the others after them."""
    names = table.column_names
    if not {"enroll", "test"} <= set(names) or len(set(names)) < len(names):
        raise ValueError(
            f"A table of trials has columns enroll, test and target once each: got columns={names}, expected "
            f"{FORMATS}. At {source.path}."
        )
    target = table["target"] if "target" in names else pa.nulls(table.num_rows, pa.bool_())
    columns = [table["enroll"].cast(pa.string()), table["test"].cast(pa.string()), _as_answers(target, _TABLE, source)]
    for side, ids in zip(("enroll", "test"), columns[:2], strict=True):
        if ids.null_count:
            row = int(np.argmax(_flat(pc.is_null(ids)).to_numpy(zero_copy_only=False)))
            raise ValueError(f"Every trial has two ids: got an empty {side}, expected an utterance. {source.at(row)}")
    trials = pa.Table.from_arrays(columns, schema=TRIALS)
    for condition in (name for name in names if name not in TRIALS.names):
        trials = trials.append_column(table.schema.field(condition), table[condition])
    return trials


def _as_answers(column: pa.Array | pa.ChunkedArray, words: dict[str, bool], source: _Source) -> pa.Array:
    """Turn answers of any plain type into bool, keeping unknown ones null."""
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        plain, spellings = column.cast(pa.float64()), pa.array([1.0, 0.0])
        meanings = [True, False]
    else:
        plain, spellings = pc.utf8_lower(column.cast(pa.string())), pa.array(list(words))
        meanings = list(words.values())
    position = pc.index_in(plain, value_set=spellings)
    unclear = _flat(pc.and_(pc.is_null(position), pc.is_valid(column))).to_numpy(zero_copy_only=False)
    if unclear.any():
        row = int(np.argmax(unclear))
        raise ValueError(
            f"An answer is one of {', '.join(words)}: got target={column[row].as_py()!r}, expected {FORMATS}. "
            f"{source.at(row)}"
        )
    return pa.array(meanings).take(position)


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _some(ids: pa.Array | pa.ChunkedArray) -> str:
    """Spell the first few ids of a message."""
    named = ", ".join(ids[:_MAX_NAMED].to_pylist())
    return named if len(ids) <= _MAX_NAMED else f"{named} and {len(ids) - _MAX_NAMED} more"
