"""Read a table that somebody wrote, be it CSV, JSONL or Parquet, as text and some rows at a time."""

import csv
import io
import itertools
import json
import os
from collections.abc import Collection, Iterator
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avis.corpora.files import ROWS_AT_ONCE, batches, named, say_merged
from avis.foreign import check_parquet
from avis.location import read_bytes, split_query
from avis.names import as_text, names, number_text
from avis.storage_fault import StorageError

NAMES = ("speaker", "session", "utt_id", "split")
"""Columns that are compared as names."""

NUM_SHOWN = 80
"""Letters of a broken line that an error shows."""


def read_text_table(path: str, *, required: Collection[str]) -> Iterator[pa.RecordBatch]:
    """Read a table as columns of text; missing values are empty. Columns may differ from batch to batch in JSONL.

    Columns of `NAMES` are as `avis.names` has them. NaN is a missing value, a text that spells ``NaN`` is not.

    Parameters
    ----------
    path : str
        ``.parquet``; ``.jsonl``, an object of text, numbers and nulls per line; or CSV with a header (UTF-8, commas,
        quotes as in RFC 4180). A local path or a URI.
    required : collection of str
        Columns that must be there, with a value in every row.

    Raises
    ------
    ValueError
        The table is missing, empty or damaged, lacks a column or a value, or has a name that `avis.names` refuses.
    """
    try:
        data = read_bytes(os.path.expanduser(path))
    except StorageError:
        raise
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"manifest missing: got {error}, expected a CSV, JSONL or Parquet file. At {path}. Check the path."
        ) from error
    name = split_query(path)[0]
    read = _parquet if name.endswith(".parquet") else _jsonl if name.endswith(".jsonl") else _csv
    num_rows, speakers = 0, set[str]()
    for batch in read(data, path):
        _check_columns(batch.schema.names, required, path)
        for index, column in enumerate(batch.schema.names):
            if column == "speaker":
                speakers |= set(batch[column].unique().to_pylist())
            if column in NAMES:
                compared = names(batch[column], where=f"{path} column {column}").fill_null("")
                batch = batch.set_column(index, column, compared)
        for column in required:
            _check_values(batch[column], column, path, num_rows + 1)
        num_rows += len(batch)
        if len(batch):
            yield batch
    say_merged(speakers)
    if not num_rows:
        raise ValueError(f"empty manifest: got num_rows=0, expected at least one. At {path}. Write the rows.")


def _check_columns(columns: list[str], required: Collection[str], path: str) -> None:
    if missing := [column for column in required if column not in columns]:
        raise ValueError(
            f"columns missing from the manifest: got columns={columns}, expected {', '.join(required)} among them. "
            f"At {path}. Add or rename {', '.join(missing)}."
        )
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise ValueError(
            f"column twice: got columns={columns}, expected {named(twice)} once. At {path}. Rename or drop one."
        )


def _check_values(values: pa.Array, column: str, path: str, first: int) -> None:
    """Refuse what is no value; ``first`` is the number of the first row."""
    if (empty := pc.index(values, "").as_py()) >= 0:
        raise ValueError(
            f"empty value: got {column}='', expected a {column}. At {path} row {first + empty}. Fill it in."
        )
    if (zero := pc.index(pc.match_substring(values, "\0"), True).as_py()) >= 0:
        raise ValueError(
            f"zero byte in a value: got {column}={values[zero].as_py()!r}, expected text. "
            f"At {path} row {first + zero}. Write the file again."
        )


def _batch(columns: list[str], rows: list[list[str]]) -> pa.RecordBatch:
    values = list(itertools.chain.from_iterable(rows))  # several times as fast as zip(*rows)
    arrays = [pa.array(values[index :: len(columns)], pa.string()) for index in range(len(columns))]
    return pa.record_batch(arrays, names=columns)


def _csv(data: bytes, path: str) -> Iterator[pa.RecordBatch]:
    rows = _csv_rows(data, path)
    header = next(rows, [])
    yield _batch(header, [])
    for some in batches(rows):
        yield _batch(header, some)


def _csv_rows(data: bytes, path: str) -> Iterator[list[str]]:
    """Return the rows that are not empty, the header first."""
    reader = csv.reader(_lines(data, newline=""), strict=True)
    num_fields = number = line = 0
    try:
        for row in reader:
            line = reader.line_num
            if not row:
                continue
            num_fields = num_fields or len(row)
            if len(row) != num_fields:
                raise ValueError(
                    f"row does not fit its header: got num_fields={len(row)}, expected {num_fields}. "
                    f"At {path} row {number}. Quote values that hold commas."
                )
            yield row
            number += 1
    except csv.Error as error:
        raise ValueError(
            f"row is no CSV: got {str(error)!r}, expected values between commas, quoted as in RFC 4180. "
            f"At {path} line {line + 1}. Look for a quote that isn't closed or doubled."
        ) from error
    except UnicodeDecodeError:
        _raise_not_utf8(data, path)


def _jsonl(data: bytes, path: str) -> Iterator[pa.RecordBatch]:
    is_empty = True
    for some in batches(_jsonl_rows(data, path)):
        columns = list(dict.fromkeys(key for row in some for key in row))
        yield _batch(columns, [[_value_text(row.get(key)) for key in columns] for row in some])
        is_empty = False
    if is_empty:
        yield _batch([], [])


def _value_text(value: object) -> str:
    return (number_text(value) if isinstance(value, float) else None if value is None else str(value)) or ""


def _jsonl_rows(data: bytes, path: str) -> Iterator[dict[str, object]]:
    try:
        for number, line in enumerate(_lines(data, newline="\n"), start=1):
            try:
                row = json.loads(line) if line.strip() else {}
                if "\\u" in line:
                    json.dumps(row, ensure_ascii=False).encode()  # half of a surrogate pair is no text
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"line is no JSON: got {str(error)!r}, expected one object. At {path} line {number}. "
                    "Correct the line."
                ) from error
            if not isinstance(row, dict) or any(isinstance(value, dict | list) for value in row.values()):
                raise ValueError(
                    f"line is no row: got {line[:NUM_SHOWN]!r}, expected an object of text, numbers and nulls. "
                    f"At {path} line {number}. Flatten it."
                )
            if row:
                yield row
    except UnicodeDecodeError:
        _raise_not_utf8(data, path)


def _parquet(data: bytes, path: str) -> Iterator[pa.RecordBatch]:
    number = 0
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        check_parquet(file, len(data), path)
        schema = file.schema_arrow
        if nested := [field.name for field in schema if pa.types.is_nested(field.type)]:
            raise ValueError(
                f"columns of lists: got {named(nested)}, expected columns of text and numbers. At {path}. "
                "Flatten or drop them."
            )
        yield _batch(schema.names, [])
        for batch in file.iter_batches(ROWS_AT_ONCE):
            yield pa.record_batch([_text(column) for column in batch.columns], names=schema.names)
            number += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"not a Parquet table of text: got {str(error).splitlines()[0]!r}, expected a whole Parquet file in UTF-8. "
            f"At {path} from row {number + 1} on. Write it again."
        ) from error


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column.validate(full=True)
    kind = column.type
    is_bytes = pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind)
    if is_bytes or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        column = (column.cast(pa.binary()) if is_bytes else column).cast(pa.string())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = as_text(column)
    elif not pa.types.is_string(kind):
        column = pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    return column.fill_null("")


def _lines(data: bytes, *, newline: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=newline)


def _raise_not_utf8(data: bytes, path: str) -> NoReturn:
    for number, line in enumerate(io.BytesIO(data), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"text is no UTF-8: got {line[max(0, error.start - 20) : error.end]!r}, expected UTF-8. "
                f"At {path} line {number}. Save the file as UTF-8."
            ) from None
    raise AssertionError(f"all lines of {path} are UTF-8, but not the file")
