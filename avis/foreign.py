"""Bound what is taken from files that anyone may have written: stores, checkpoints, archives, settings.

Such files are data: what they hold is counted before it is unpacked or walked through, and names in them lead nowhere
but below the folder that they lie in.
"""

import io
import json
import math
import zipfile
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from avis.location import host

Settings = TypeVar("Settings", bound=BaseModel)

MAX_DEPTH = 32
"""Levels of settings inside settings."""
MAX_VALUES = 100_000
"""Settings in one file, each counted as often as it is referred to."""
MAX_WHOLE = 1 << 63
"""Whole numbers in settings are smaller: those of JSON, Arrow and torch are."""
MAX_JSON_BYTES = 1 << 26
MAX_PICKLE_BYTES = 1 << 26
"""Of what a checkpoint holds beside its tensors."""
MAX_EXPANSION = 1000
"""Bytes and rows that a byte of a Parquet file may stand for, beyond `EXPANSION_FREE`."""
EXPANSION_FREE = 1 << 26
MAX_LETTERS = 200
"""Of the name of a file."""


def check_plain(node: Any, where: str) -> None:
    """Refuse settings that are not plain data: None, truth values, numbers, text, lists, and mappings by text.

    Parameters
    ----------
    node : object
        As YAML or pickle gave it.
    where : str
        Where it stands, for errors.

    Raises
    ------
    ValueError
        Naming the first value that is of another type, NaN or beyond `MAX_WHOLE`; or there are more levels than
        `MAX_DEPTH` or more values than `MAX_VALUES`.
    """
    left, num_values = [(node, where, 0)], 1
    while left:
        value, key, depth = left.pop()
        is_group = isinstance(value, dict | list | tuple)
        num_values += len(value) if is_group else 0
        if depth > MAX_DEPTH:
            raise _not_plain(f"more than {MAX_DEPTH} levels", where)
        if num_values > MAX_VALUES:
            raise _not_plain(f"more than {MAX_VALUES} values", where)
        if isinstance(value, dict):
            if odd := [name for name in value if not isinstance(name, str)]:
                raise _not_plain(f"a key of type {type(odd[0]).__name__}", key)
            left += [(item, f"{key}.{name[:MAX_LETTERS]}", depth + 1) for name, item in value.items()]
        elif is_group:
            left += [(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(value)]
        elif isinstance(value, float) and math.isnan(value):
            raise _not_plain("NaN", key)
        elif isinstance(value, int) and not -MAX_WHOLE <= value < MAX_WHOLE:
            raise _not_plain(f"a whole number of {value.bit_length()} bits", key)
        elif not isinstance(value, bool | int | float | str | None):
            raise _not_plain(f"a value of type {type(value).__name__}", key)


def _not_plain(found: str, where: str) -> ValueError:
    return ValueError(
        f"settings are no plain data: got {found}, expected numbers, text, lists and mappings by text, at most "
        f"{MAX_VALUES} in {MAX_DEPTH} levels. At {where}. The file is damaged, or made to harm: don't use it."
    )


def validated(kind: type[Settings], plain: dict[str, Any], *, what: str, where: str, advice: str) -> Settings:
    """Return plain data as settings of a kind.

    Raises
    ------
    ValueError
        Saying ``what`` is wrong, naming the first value that does not fit, and with ``advice``.
    """
    check_plain(plain, where)
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"{what}: got {'.'.join(map(str, first['loc']))}={first.get('input')!r:.80} ({first['msg']}), expected "
            f"what AVIS writes. At {where}. {advice}"
        ) from error


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises
    ------
    ValueError
        It is larger than `MAX_JSON_BYTES`, too deep, no JSON, or no object.
    """
    try:
        if len(data) > MAX_JSON_BYTES:
            raise ValueError(f"more than {MAX_JSON_BYTES} bytes")
        parsed = json.loads(data)
        if not isinstance(parsed, dict):
            raise ValueError(type(parsed).__name__)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"no JSON object: got {error}, expected one as AVIS writes it. At {where}. The file is damaged: "
            "make it again."
        ) from error
    return parsed


def is_name(name: Any) -> bool:
    """Return whether a name is that of a file in a folder, and leads nowhere else.

    >>> is_name("train-00000.parquet"), is_name(".."), is_name("a/b"), is_name("s3:b"), is_name("")
    (True, False, False, True, False)
    """
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_LETTERS
        and name not in (".", "..")
        and name.isprintable()
        and not {"/", "\\"} & {*name}
    )


def check_manifest(manifest: dict[str, Any], uri: str) -> None:
    """Refuse the manifest of a store whose files are not described as AVIS does, or lie elsewhere than they may.

    A file is named ``<table>/<part>.parquet``. The ``store`` that holds it may be a folder anywhere on the file system
    of this one, but no other host.

    Raises
    ------
    ValueError
        Naming the first file.
    """
    files = manifest.get("files")
    wrong = [key for key in ("rows", "files") if not isinstance(manifest.get(key), dict)]
    if wrong or not isinstance(files, dict):
        raise _off_manifest(f"no mapping {wrong[0]}", uri)
    for file, info in files.items():
        names = file.split("/")
        if len(names) != 2 or not all(map(is_name, names)) or not file.endswith(".parquet"):
            raise _off_manifest(f"a file named {file[:MAX_LETTERS]!r}", uri)
        counts = [info.get(key) for key in ("rows", "bytes")] if isinstance(info, dict) else [None]
        if not all(type(count) is int and count >= 0 for count in counts):
            raise _off_manifest(f"no rows and bytes of {file}", uri)
        holder = info.get("store", "")
        if not isinstance(holder, str) or ".." in holder.split("/") or host(holder) not in ("", host(uri)):
            raise _off_manifest(f"store={holder!r} for {file}", uri)


def _off_manifest(found: str, uri: str) -> ValueError:
    return ValueError(
        f"no manifest of a store: got {found}, expected files <table>/<part>.parquet with their rows and bytes, in "
        f"folders of the store's own file system. At {uri}. Make the store again; don't use one from elsewhere that "
        "says so."
    )


def read_parquet(data: bytes, where: str) -> pa.Table:
    """Read a Parquet table that is in memory.

    Raises
    ------
    ValueError
        See `check_parquet`.
    pyarrow.ArrowInvalid
        It is none.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    check_parquet(file, len(data), where)
    return file.read()


def check_parquet(file: pq.ParquetFile, num_bytes: int, where: str) -> None:
    """Refuse a Parquet file that says it holds far more than a file of its size can.

    Raises
    ------
    ValueError
        It holds more rows, or bytes when unpacked, than `MAX_EXPANSION` allows.
    """
    about = file.metadata
    unpacked = sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups))
    most = EXPANSION_FREE + MAX_EXPANSION * num_bytes
    if max(unpacked, about.num_rows) > most:
        raise ValueError(
            f"table larger than its file: got {about.num_rows} rows of {unpacked} bytes in a file of {num_bytes} "
            f"bytes, expected at most {most}. At {where}. The file is damaged, or made to harm: don't use it."
        )


def check_archive(file: BinaryIO) -> None:
    """Refuse a zip archive that holds more than its bytes: ``torch.save`` and ``numpy.savez`` compress nothing.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        Saying what is wrong with it.
    """
    num_bytes = file.seek(0, io.SEEK_END)
    entries = zipfile.ZipFile(file).infolist()
    file.seek(0)
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > num_bytes:
        raise ValueError(f"{len(packed)} compressed entries, {sum(entry.file_size for entry in entries)} bytes")
    if large := [entry for entry in entries if entry.filename.endswith(".pkl") and entry.file_size > MAX_PICKLE_BYTES]:
        raise ValueError(f"{large[0].file_size} bytes beside the tensors")
