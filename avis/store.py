"""Keep tables as directories of Parquet parts with a ``manifest.json`` written last.

A store without its manifest is unfinished: it is resumed, never read. Each finished part leaves a small record under
``_parts/``, so that a rerun knows what is already there; the manifest gathers the records and they go. Files appear by
rename (local) or by one put (object stores), so that a reader never sees half a file. Every URI that `pyarrow.fs`
understands will do: a local path, ``s3://``, ``gs://``.
"""

import errno
import hashlib
import io
import json
import os
import posixpath
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from avis.location import exists, filesystem, join, read_bytes
from avis.schema import SCHEMA_VERSION

MANIFEST = "manifest.json"
PARTS = "_parts"
UNFINISHED = ".tmp"
FINGERPRINT_DIGITS = 12
DIGEST_ROWS = 1_000_000
"""Rows of a table that are hashed together, so that a large one is not copied whole."""


def fingerprint(value: Any) -> str:
    """Return a short stable hash of plain data (dicts, lists, strings, numbers, None)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def table_digest(table: pa.Table) -> str:
    """Return the SHA-256 of a table's content in Arrow's IPC form; equal tables have equal digests."""
    digest = hashlib.sha256()
    sink = pa.PythonFile(_Hashing(digest), mode="w")
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for start in range(0, max(1, table.num_rows), DIGEST_ROWS):
            writer.write_table(table.slice(start, DIGEST_ROWS).combine_chunks())
    return digest.hexdigest()


class _Hashing(io.RawIOBase):
    """Hash what is written."""

    def __init__(self, digest: Any) -> None:
        self.digest = digest

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return memoryview(data).nbytes


def write_bytes(uri: str, data: bytes | pa.Buffer) -> None:
    """Write a file so that it appears whole or not at all."""
    fs, path = filesystem(uri)
    local = isinstance(fs, pafs.LocalFileSystem)
    target = f"{path}.{os.getpid()}{UNFINISHED}" if local else path
    try:
        if local:  # object stores have no folders, only names with slashes
            fs.create_dir(posixpath.dirname(path), recursive=True)
        with fs.open_output_stream(target, compression=None) as stream:
            stream.write(data)
        if local:
            os.replace(target, path)
    except OSError as error:
        if local and os.path.exists(target):
            os.remove(target)
        if error.errno == errno.ENOSPC:
            raise OSError(
                errno.ENOSPC,
                f"disk full: got no room for {len(data)} bytes, expected enough free space. At {uri}. "
                "Free some space or choose another output_dir, then run the same command again: "
                "what was finished is kept",
            ) from error
        raise


def read_json(uri: str) -> dict[str, Any]:
    """Read a JSON object."""
    return dict(json.loads(read_bytes(uri)))


def write_json(uri: str, value: dict[str, Any]) -> None:
    """Write a JSON object, indented, so that people can read it."""
    write_bytes(uri, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def commit_part(uri: str, part: str, tables: dict[str, pa.Table], *, row_group_rows: int) -> dict[str, Any]:
    """Write one part of each table, then the record that makes it count.

    Returns
    -------
    dict
        ``{"<table>/<part>.parquet": {"rows": ..., "bytes": ..., "sha256": ...}}``
    """
    record = {}
    for name, table in sorted(tables.items()):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=row_group_rows, write_page_checksum=True)
        data = sink.getvalue()
        file = f"{name}/{part}.parquet"
        write_bytes(join(uri, file), data)
        record[file] = {"rows": table.num_rows, "bytes": data.size, "sha256": hashlib.sha256(data).hexdigest()}
    write_json(join(uri, PARTS, f"{part}.json"), record)
    return record


def committed_parts(uri: str) -> dict[str, dict[str, Any]]:
    """Return the records of the parts that an unfinished store already holds."""
    fs, path = filesystem(join(uri, PARTS))
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    names = sorted(info.base_name for info in found if info.base_name.endswith(".json"))
    return {name.removesuffix(".json"): read_json(join(uri, PARTS, name)) for name in names}


def finish(uri: str, *, parts: Collection[str], inputs: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Gather the parts' records into ``manifest.json``, which makes the store readable.

    Parameters
    ----------
    parts : collection of str
        Names of all parts that the store must have.
    inputs : str
        Fingerprint of what the store was made from.
    facts : dict
        What a reader may want to know: kept under its own keys.
    """
    records = committed_parts(uri)
    missing = sorted(set(parts) - set(records))
    if missing:
        if manifest := finished(uri, inputs):
            return manifest  # another driver was first
        raise ValueError(
            f"parts missing: got {len(records)} of {len(parts)} parts, expected all. At {uri}, {missing[0]} for one. "
            "On a cluster output_dir must be a folder that all nodes reach; otherwise run the same command again."
        )
    files = {file: info for record in records.values() for file, info in record.items()}
    rows: dict[str, int] = {}
    for file, info in files.items():
        table = file.split("/")[0]
        rows[table] = rows.get(table, 0) + info["rows"]
    manifest = {"schema_version": SCHEMA_VERSION, "inputs": inputs, "rows": rows, **facts, "files": files}
    write_json(join(uri, MANIFEST), manifest)
    fs, path = filesystem(uri)
    fs.delete_dir(posixpath.join(path, PARTS))
    for info in fs.get_file_info(pafs.FileSelector(path, recursive=True)):
        if info.path.endswith(UNFINISHED):
            fs.delete_file(info.path)
    return manifest


def finished(uri: str, inputs: str) -> dict[str, Any] | None:
    """Return the manifest if the store is finished and was made from these inputs, else None.

    Raises
    ------
    ValueError
        If the store is finished but was made from other inputs.
    """
    if not exists(join(uri, MANIFEST)):
        return None
    manifest = read_json(join(uri, MANIFEST))
    if manifest["inputs"] != inputs:
        raise ValueError(
            f"store belongs to other inputs: got inputs={manifest['inputs']}, expected {inputs}. At {uri}. "
            "Choose another place for it, or delete it if you no longer need it."
        )
    return manifest


def open_manifest(uri: str) -> dict[str, Any]:
    """Return the manifest of a finished store.

    Raises
    ------
    ValueError
        If the store is missing, unfinished, of another schema version, or one of its files has changed its size.
    """
    if not exists(join(uri, MANIFEST)):
        raise ValueError(
            f"store not finished: got no {MANIFEST}, expected one. At {uri}. Run the stage that writes it to its end."
        )
    manifest = read_json(join(uri, MANIFEST))
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"store of another version: got schema_version={manifest['schema_version']}, expected {SCHEMA_VERSION}. "
            f"At {uri}. Make it again."
        )
    fs, root = filesystem(uri)
    for info in fs.get_file_info([join(root, file) for file in manifest["files"]]):
        expected = manifest["files"][info.path[len(root) :].lstrip("/")]["bytes"]
        if info.size != expected:
            raise ValueError(
                f"corrupt shard: got {info.size} bytes, expected {expected}. At {info.path}. "
                f"Delete {uri} and make it again."
            )
    return manifest


def part_uris(uri: str, table: str, prefix: str = "") -> list[str]:
    """Return the files of one table of a finished store, in order."""
    files = open_manifest(uri)["files"]
    return [join(uri, file) for file in sorted(files) if file.startswith(f"{table}/{prefix}")]


def open_part(uri: str) -> pq.ParquetFile:
    """Open one Parquet part; pages are checked against their checksums as they are read.

    Raises
    ------
    ValueError
        If the file is no longer a Parquet file.
    """
    fs, path = filesystem(uri)
    try:
        return pq.ParquetFile(fs.open_input_file(path), page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise corrupt_shard(uri, error) from error


def corrupt_shard(uri: str, error: Exception) -> Exception:
    """Return the error for a part whose bytes are no longer what was written; one of the system's stays what it is."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return ValueError(
        f"corrupt shard: got {str(error).splitlines()[0]!r}, expected a Parquet file as it was written. At {uri}. "
        "Delete its store and make it again."
    )


def read_row_group(part: pq.ParquetFile, uri: str, index: int, columns: list[str]) -> pa.Table:
    """Read some columns of one row group.

    Raises
    ------
    ValueError
        If the bytes do not match their checksum.
    """
    try:
        return part.read_row_group(index, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise corrupt_shard(uri, error) from error


def read_table(uri: str, table: str, *, columns: list[str] | None = None, prefix: str = "") -> pa.Table:
    """Read a whole table of a finished store (its light columns, or a small table).

    Raises
    ------
    ValueError
        If the store is unfinished, a file is corrupt, or the table has no part.
    """
    parts = []
    for part_uri in part_uris(uri, table, prefix):
        part = open_part(part_uri)
        try:
            parts.append(part.read(columns=columns))
        except (pa.ArrowInvalid, OSError) as error:
            raise corrupt_shard(part_uri, error) from error
    if not parts:
        raise ValueError(
            f"table not in store: got table={table} {prefix}, expected one of {sorted(open_manifest(uri)['rows'])}. "
            f"At {uri}. Make the store again with what you need in it."
        )
    return pa.concat_tables(parts)
