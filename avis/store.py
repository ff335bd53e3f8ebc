"""Keep tables as directories of Parquet parts with a ``manifest.json`` written last.

A store without its manifest is unfinished: it is resumed, never read. Each finished part leaves a small record under
``_parts/``, so that a rerun knows what is already there; the manifest gathers the records and they go. Files appear
whole or not at all (`avis.whole_file`, whose names are this module's too). Every URI that `pyarrow.fs` or fsspec
understands will do: a local path, ``s3://``, ``gs://``, ``az://``.

A store may take over files of another one: its manifest then says of a file in which ``store`` it lies, as a path from
the folder that both are in, so that they move together. Files of a finished store never change.

Several drivers may make the same store at once: they write the same bytes, whoever is first finishes, and whoever
writes after that clears up after itself.
"""

import contextlib
import errno
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from avis.foreign import check_manifest
from avis.location import absolute, below, exists, filesystem, join, names_in, parent
from avis.part_file import PartFile, corrupt_shard, open_part
from avis.part_file import read_row_group as read_row_group
from avis.schema import HEAVY, INDEX, SCHEMA_VERSION
from avis.storage_fault import retried
from avis.whole_file import clear_unfinished, read_json, write_file, write_json
from avis.whole_file import delete_file as delete_file
from avis.whole_file import write_bytes as write_bytes

MANIFEST = "manifest.json"
PARTS = "_parts"
PARTS_READ_AT_ONCE = 16


def commit_part(
    uri: str, part: str, tables: dict[str, pa.Table] | Iterator[dict[str, pa.Table]], *, row_group_rows: int
) -> dict[str, Any]:
    """Write one part of each table, then the record that makes it count.

    Parameters
    ----------
    tables : dict of str to pyarrow.Table or iterator of dict of str to pyarrow.Table
        The rows of each table, or some of them at a time: what follows is made while these are written.

    Returns
    -------
    dict
        ``{"<table>/<part>.parquet": {"rows": ..., "bytes": ..., "sha256": ...}}``
    """
    record: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        files: dict[str, PartFile] = {}
        for some in [tables] if isinstance(tables, dict) else tables:
            for name, rows in some.items():
                if name not in files:
                    files[name] = stack.enter_context(PartFile(rows.schema, row_group_rows=row_group_rows))
                files[name].write(rows)
        for name, made in sorted(files.items()):
            file = f"{name}/{part}.parquet"
            record[file] = made.finish()
            write_file(join(uri, file), made.file)
    write_json(join(uri, PARTS, f"{part}.json"), record)
    if exists(join(uri, MANIFEST)):
        _clear(uri)
    return record


def is_committed(uri: str, part: str) -> bool:
    """Tell whether a part is there, be it in a finished store."""
    return exists(join(uri, PARTS, f"{part}.json")) or exists(join(uri, MANIFEST))


def committed_parts(uri: str) -> dict[str, dict[str, Any]]:
    """Return the records of the parts that an unfinished store already holds."""
    records = {}
    for name in (name for name in names_in(join(uri, PARTS)) if name.endswith(".json")):
        with contextlib.suppress(FileNotFoundError):  # another driver has just finished the store
            records[name.removesuffix(".json")] = read_json(join(uri, PARTS, name))
    return records


def finish(
    uri: str,
    *,
    parts: Collection[str],
    inputs: str,
    facts: dict[str, Any],
    taken_over: Mapping[str, dict[str, Any]] = {},
) -> dict[str, Any]:
    """Gather the parts' records into ``manifest.json``, which makes the store readable.

    Parameters
    ----------
    parts : collection of str
        Names of all parts that the store must have.
    inputs : str
        Fingerprint of what the store was made from.
    facts : dict
        What a reader may want to know: kept under its own keys.
    taken_over : mapping of str to dict
        Files that are taken over from other stores, as `take_over` returns them.
    """
    records = committed_parts(uri)
    missing = sorted(set(parts) - set(records))
    if missing:
        if manifest := finished(uri, inputs):
            _clear(uri)  # another driver was first
            return manifest
        raise ValueError(
            f"parts missing: got {len(records)} of {len(parts)} parts, expected all. At {uri}, {missing[0]} for one. "
            "On a cluster output_dir must be a folder that all nodes reach; otherwise run the same command again."
        )
    files = {**taken_over, **{file: info for record in records.values() for file, info in record.items()}}
    rows: dict[str, int] = {}
    for file, info in files.items():
        table = file.split("/")[0]
        rows[table] = rows.get(table, 0) + info["rows"]
    manifest = {"schema_version": SCHEMA_VERSION, "inputs": inputs, "rows": rows, **facts, "files": files}
    write_json(join(uri, MANIFEST), manifest)
    _clear(uri)
    return manifest


def _clear(uri: str) -> None:
    """Remove from a finished store what it was made with.

    Another driver may be writing or clearing there as well. What it adds meanwhile it clears itself, see
    `commit_part`, so that it is no error to find a file gone or a folder filled again.
    """
    clear_unfinished(uri)
    fs, path = filesystem(join(uri, PARTS))
    try:
        if exists(join(uri, PARTS)):
            retried(lambda: fs.delete_dir(path), uri)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def take_over(base: str, uri: str, files: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return entries of the manifest of ``base`` as they are written in that of the store at ``uri``."""
    return {file: info | {"store": below(_lies_in(base, info), parent(absolute(uri)))} for file, info in files.items()}


def file_uri(uri: str, file: str, info: Mapping[str, Any]) -> str:
    """Return where a file of a manifest is."""
    return join(_lies_in(uri, info), file)


def _lies_in(uri: str, info: Mapping[str, Any]) -> str:
    return join(parent(absolute(uri)), info["store"]) if "store" in info else uri


def part_of(file: str) -> str:
    """Return the part that a file of a manifest belongs to.

    >>> part_of("utterances/train-00000.parquet")
    'train-00000'
    """
    return file.split("/")[1].removesuffix(".parquet")


def finished(uri: str, inputs: str) -> dict[str, Any] | None:
    """Return the manifest if the store is finished and was made from these inputs, else None.

    Raises
    ------
    ValueError
        If the store is finished but was made from other inputs.
    """
    if not exists(join(uri, MANIFEST)):
        return None
    manifest = _read_manifest(uri)
    if manifest.get("inputs") != inputs:
        raise ValueError(
            f"store belongs to other inputs: got inputs={manifest.get('inputs')}, expected {inputs}. At {uri}. "
            "Choose another place for it, or delete it if you no longer need it."
        )
    return manifest


def open_manifest(uri: str) -> dict[str, Any]:
    """Return the manifest of a finished store.

    Raises
    ------
    ValueError
        If the store is missing, unfinished, of another schema version, one of its files has changed its size, or its
        manifest is none (see `avis.foreign.check_manifest`).
    """
    if not exists(join(uri, MANIFEST)):
        raise ValueError(
            f"store not finished: got no {MANIFEST}, expected one. At {uri}. Run the stage that writes it to its end."
        )
    manifest = _read_manifest(uri)
    if (version := manifest.get("schema_version")) != SCHEMA_VERSION:
        raise ValueError(
            f"store of another version: got schema_version={version}, expected {SCHEMA_VERSION}. "
            f"At {uri}. Make it again."
        )
    by_store: dict[str, list[str]] = {}
    for file, info in manifest["files"].items():
        by_store.setdefault(_lies_in(uri, info), []).append(file)
    for holder, files in by_store.items():
        _check_sizes(uri, holder, {file: manifest["files"][file]["bytes"] for file in files})
    return manifest


def _read_manifest(uri: str) -> dict[str, Any]:
    manifest = read_json(join(uri, MANIFEST))
    check_manifest(manifest, uri)
    return manifest


def _check_sizes(uri: str, holder: str, sizes: Mapping[str, int]) -> None:
    fs, root = filesystem(holder)
    paths = [join(root, file) for file in sizes]
    found = retried(lambda: fs.get_file_info(paths), holder)
    for info, expected in zip(found, sizes.values(), strict=True):
        if info.size != expected:
            advice = f"Delete {uri} and make it again."
            extended = (
                f"It belongs to the store that {uri} extends: put it back, or make a store that does not extend it."
            )
            raise ValueError(
                f"corrupt shard: got {'no file' if info.size is None else f'{info.size} bytes'}, expected {expected} "
                f"bytes. At {info.path}. "
                f"{advice if holder == uri else extended}"
            )


def part_uris(uri: str, table: str, prefix: str = "") -> list[str]:
    """Return the files of one table of a finished store, in order."""
    files = open_manifest(uri)["files"]
    return [file_uri(uri, file, files[file]) for file in sorted(files) if file.startswith(f"{table}/{prefix}")]


def read_table(uri: str, table: str, *, columns: list[str] | None = None, prefix: str = "") -> pa.Table:
    """Read a whole table of a finished store (its light columns, or a small table).

    Raises
    ------
    ValueError
        If the store is unfinished, a file is corrupt, or the table has no part.
    """
    source = INDEX if table == "utterances" and columns and not HEAVY & set(columns) and _is_indexed(uri) else table
    with ThreadPoolExecutor(PARTS_READ_AT_ONCE) as pool:
        parts = list(pool.map(lambda part: _read_part(part, columns), part_uris(uri, source, prefix)))
    if not parts:
        raise ValueError(
            f"table not in store: got table={table} {prefix}, expected one of {sorted(open_manifest(uri)['rows'])}. "
            f"At {uri}. Make the store again with what you need in it."
        )
    return pa.concat_tables(parts)


def _is_indexed(uri: str) -> bool:
    """Return whether all utterances of a store are in its index: what it took over may be older than indices are."""
    rows = open_manifest(uri)["rows"]
    return bool(rows.get(INDEX) == rows.get("utterances"))


def _read_part(uri: str, columns: list[str] | None) -> pa.Table:
    part = open_part(uri)
    try:
        return part.read(columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise corrupt_shard(uri, error) from error
