"""Read a corpus that somebody has already listed in a CSV, JSONL or Parquet file."""

import csv
import io
import json
import os
from collections import defaultdict
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from avis.corpora.files import NO_SESSION, AudioFile, check_split, source, sources_table, stat_audio
from avis.corpora.segment import COLUMNS as SEGMENT
from avis.corpora.segment import parse_segment
from avis.location import absolute, filesystem, is_uri, join, parent, read_bytes, split_query

REQUIRED = ("path", "speaker")
OPTIONAL = ("utt_id", "session", "split", *SEGMENT)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A table with the columns ``path`` and ``speaker``, and as many others as you like.

    ``utt_id``, ``session`` and ``split`` are used where the column is there and the value not empty; every further
    column becomes an attribute where it is not empty. Ids get the corpus name in front. Without ``utt_id`` the path
    without its audio suffix is the id. Without ``session``, all files of a speaker are one session
    (`avis.corpora.files.NO_SESSION`). Files that are missing become rows of size -1, which `prepare` rejects as
    unreadable. CSV values are text as they stand: speaker ``007`` stays ``007``.

    A row may stand for a stretch of a file, ``start_s`` to ``end_s`` in seconds, and for one ``channel`` of several,
    counted from 1 on: the meetings of AMI, the calls of NIST SRE. Without ``utt_id``, these go into the id.

    Attributes
    ----------
    name
        Name of the corpus; begins every id.
    path
        The table: ``.parquet``; ``.jsonl``, an object of text, numbers and nulls per line; or CSV with a header (UTF-8,
        commas, quotes as in RFC 4180). A local path or a URI.
    root
        What relative paths are relative to, a folder or a URI; None for the folder of the table.
    split
        ``train`` or ``test``, for rows that do not say.
    """

    name: str
    path: str
    root: str | None
    split: str

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The table is missing, empty or lacks a column, or a row lacks a value or has an unknown split or segment.
        """
        rows = read_rows(self.path)
        root = absolute(parent(self.path) if self.root is None else self.root)
        files = look_up([row["path"] for row in rows], root=root)
        pairs = zip(files, rows, strict=True)
        return sources_table([self._source(file, row, number) for number, (file, row) in enumerate(pairs, start=1)])

    def _source(self, file: AudioFile, row: dict[str, str], number: int) -> dict[str, object]:
        return source(
            file,
            corpus=self.name,
            split=check_split(row.get("split") or self.split, where=f"{self.path} row {number}"),
            speaker=row["speaker"],
            session=row.get("session") or NO_SESSION,
            utt_id=row.get("utt_id") or None,
            attributes={key: value for key, value in row.items() if key not in REQUIRED + OPTIONAL and value},
            segment=parse_segment(row, where=f"{self.path} row {number}"),
        )


def read_rows(path: str) -> list[dict[str, str]]:
    """Read a CSV, JSONL or Parquet table as rows of text; missing values are empty."""
    try:
        data = read_bytes(os.path.expanduser(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"manifest missing: got {error}, expected a CSV, JSONL or Parquet file. At {path}. Check the path."
        ) from error
    name = split_query(path)[0]
    if name.endswith(".parquet"):
        columns, values = _parquet_rows(data)
    else:
        columns, values = _jsonl_rows(data, path) if name.endswith(".jsonl") else _csv_rows(data, path)
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise ValueError(
            f"columns missing from the manifest: got columns={columns}, expected {', '.join(REQUIRED)} among them. "
            f"At {path}. Add or rename {', '.join(missing)}."
        )
    if not values:
        raise ValueError(f"empty manifest: got num_rows=0, expected at least one. At {path}. Write the rows.")
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    for number, row in enumerate(rows, start=1):
        for column in REQUIRED:
            if not row[column]:
                raise ValueError(
                    f"empty value: got {column}='', expected a {column}. At {path} row {number}. Fill it in."
                )
    return rows


def look_up(paths: list[str], *, root: str) -> list[AudioFile]:
    """Find size and time of files given by absolute path, URI, or path relative to ``root``, in the order given.

    ``relative`` is the path below ``root`` for files that lie there, else the whole path.
    """
    top = split_query(root)[0].rstrip("/") + "/"
    files: list[AudioFile] = []
    remote: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, listed in enumerate(paths):
        path = listed.removeprefix("./")
        full = path if os.path.isabs(path) else join(root, path)
        head, query = split_query(full)
        relative = head.removeprefix(top).lstrip("/")
        if is_uri(full):
            scheme, _, rest = head.partition("://")
            remote[f"{scheme}://{rest.partition('/')[0]}", query].append(index)
            files.append(AudioFile(path=full, relative=relative, size_bytes=-1, modified_ns=-1))
        else:
            files.append(stat_audio(full, relative=relative))
    for indices in remote.values():
        _look_up_remote(files, indices)
    return files


def _look_up_remote(files: list[AudioFile], indices: list[int]) -> None:
    """Fill in size and time of files that share a file system, asking once for all of them."""
    system, _ = filesystem(files[indices[0]].path)
    keys = [filesystem(files[index].path)[1] for index in indices]
    for index, info in zip(indices, system.get_file_info(keys), strict=True):
        if info.type == pafs.FileType.File:
            files[index] = replace(files[index], size_bytes=info.size, modified_ns=info.mtime_ns or -1)


def _parquet_rows(data: bytes) -> tuple[list[str], list[list[str]]]:
    table = pq.read_table(pa.BufferReader(data))
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def _jsonl_rows(data: bytes, path: str) -> tuple[list[str], list[list[str]]]:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            raise ValueError(
                f"line is no JSON: got {error}, expected one object. At {path} line {number}. Correct the line."
            ) from error
        if not isinstance(row, dict) or any(isinstance(value, dict | list) for value in row.values()):
            raise ValueError(
                f"line is no row: got {line[:80]!r}, expected an object of text, numbers and nulls. "
                f"At {path} line {number}. Flatten it."
            )
        if row:
            rows.append(row)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return columns, [["" if row.get(key) is None else str(row[key]) for key in columns] for row in rows]


def _csv_rows(data: bytes, path: str) -> tuple[list[str], list[list[str]]]:
    lines = [line for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if line]
    header, values = (lines[0], lines[1:]) if lines else ([], [])
    for number, row in enumerate(values, start=1):
        if len(row) != len(header):
            raise ValueError(
                f"row does not fit its header: got num_fields={len(row)}, expected {len(header)}. "
                f"At {path} row {number}. Quote values that hold commas."
            )
    return header, values
