"""Write a file so that it appears whole or not at all, wherever it lies.

It is written under a temporary name and then moved, on object stores too: whoever leaves a stream to one by an
exception publishes what was written so far.
"""

import contextlib
import errno
import io
import json
import os
import posixpath
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs as pafs

from avis.foreign import MAX_JSON_BYTES, parse_json
from avis.location import filesystem, look_below, read_bytes
from avis.storage_fault import retried

UNFINISHED = ".tmp"
CLEARED_ATTEMPTS = 3
COPY_BYTES = 4 << 20

MOST_COPIED_BYTES = 5 << 30
"""S3 copies no larger object in one request, and has no other way to move one."""


def write_bytes(uri: str, data: bytes | pa.Buffer) -> None:
    """Write a file so that it appears whole or not at all."""
    write_file(uri, io.BytesIO(data))


def write_file(uri: str, file: IO[bytes]) -> None:
    """Copy an open file from its start so that the copy appears whole or not at all.

    Notes
    -----
    A file of more than `MOST_COPIED_BYTES` is written in place on S3, by a thread, which an interruption does not
    reach; a failed upload publishes nothing there.

    Raises
    ------
    OSError
        The disk is full.
    StorageError
        The storage does not answer, or gives no leave.
    """
    num_bytes = file.seek(0, io.SEEK_END)
    retried(lambda: _write(uri, file, num_bytes), uri)


def read_json(uri: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        See `avis.foreign.parse_json`.
    """
    return parse_json(read_bytes(uri, at_most=MAX_JSON_BYTES + 1), uri)


def write_json(uri: str, value: dict[str, Any]) -> None:
    """Write a JSON object, indented, so that people can read it."""
    write_bytes(uri, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def delete_file(uri: str) -> None:
    """Delete a file, if it is there."""
    fs, path = filesystem(uri)
    with contextlib.suppress(FileNotFoundError):
        retried(lambda: fs.delete_file(path), uri)


def clear_unfinished(folder: str) -> None:
    """Remove, with all folders below, what writers left behind that were killed; nobody may be writing there."""
    fs, _ = filesystem(folder)
    for info in look_below(folder, recursive=True):
        if info.base_name.endswith(UNFINISHED):
            with contextlib.suppress(FileNotFoundError):
                retried(lambda path=info.path: fs.delete_file(path), folder)  # type: ignore[misc]


def _write(uri: str, file: IO[bytes], num_bytes: int) -> None:
    for attempt in range(CLEARED_ATTEMPTS):
        fs, path = filesystem(uri)
        try:
            if fs.type_name == "s3" and num_bytes > MOST_COPIED_BYTES:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(_copy, file, fs, path).result()
            else:
                _write_and_move(fs, path, file)
            return
        except (FileNotFoundError, FileExistsError):
            if attempt == CLEARED_ATTEMPTS - 1:
                raise  # else it was cleared away by another driver, which has just finished the store
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(
                    error.errno,
                    f"disk full: got no room for {num_bytes} bytes, expected enough free space. At {uri}. "
                    "Free some space or choose another output_dir, then run the same command again: "
                    "what was finished is kept",
                ) from error
            raise


def _write_and_move(fs: pafs.FileSystem, path: str, file: IO[bytes]) -> None:
    written = f"{path}.{uuid.uuid4().hex}{UNFINISHED}"
    try:
        if isinstance(fs, pafs.LocalFileSystem | pafs.PyFileSystem):  # object stores have no folders
            fs.create_dir(posixpath.dirname(path), recursive=True)
        _copy(file, fs, written)
        _move(fs, written, path)
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is what to say
            fs.delete_file(written)
        raise


def _copy(file: IO[bytes], fs: pafs.FileSystem, path: str) -> None:
    file.seek(0)
    with fs.open_output_stream(path, compression=None) as stream:
        shutil.copyfileobj(file, stream, COPY_BYTES)


def _move(fs: pafs.FileSystem, source: str, target: str) -> None:
    if isinstance(fs, pafs.LocalFileSystem):
        os.replace(source, target)
        return
    if fs.type_name == "hdfs":  # which moves onto nothing that is there
        with contextlib.suppress(FileNotFoundError):
            fs.delete_file(target)
    try:
        fs.move(source, target)
    except NotImplementedError:  # Azure's without folders
        fs.copy_file(source, target)
        fs.delete_file(source)
