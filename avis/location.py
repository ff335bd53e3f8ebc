"""Find the bytes behind a local path or a URI such as ``s3://bucket/key.wav``."""

import io
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import pyarrow.fs as pafs

READ_AHEAD_BYTES = 1 << 18
"""Read at a time from a file that is read in parts: object stores answer many small requests slowly."""


def is_uri(path: str) -> bool:
    """Tell a URI from a local path.

    >>> is_uri("s3://bucket/a.wav"), is_uri("/data/a.wav")
    (True, False)
    """
    return "://" in path


def absolute(path: str) -> str:
    """Make a local path absolute (Ray's workers have another working directory); leave a URI as it is."""
    return path if is_uri(path) else os.path.abspath(os.path.expanduser(path))


def join(path: str, *names: str) -> str:
    """Join a local path or URI with names below it."""
    return posixpath.join(path, *names)


def below(path: str, folder: str) -> str:
    """Return a path as it is written inside a folder: relative if it lies below it, so that both can move together.

    >>> below("/runs/a/scores/x", "/runs/a"), below("/elsewhere/x", "/runs/a")
    ('scores/x', '/elsewhere/x')
    """
    return path[len(folder) :].lstrip("/") if path.startswith(folder.rstrip("/") + "/") else path


def filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a local path or URI and the path inside it.

    The path is taken literally, as ``aws s3`` does: spaces, ``%`` and non-ASCII letters need no escaping. A query
    (``s3://bucket/key?region=eu-west-1``) holds options of the file system.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        No file system answers to the URI.
    """
    if not is_uri(path):
        return pafs.LocalFileSystem(), absolute(path)
    scheme, _, rest = path.partition("://")
    location, question_mark, query = rest.partition("?")
    authority, slash, key = location.partition("/")
    return pafs.FileSystem.from_uri(f"{scheme}://{authority}{slash}{quote(key)}{question_mark}{query}")


def exists(path: str) -> bool:
    """Tell whether a file or directory is there."""
    system, key = filesystem(path)
    return bool(system.get_file_info(key).type != pafs.FileType.NotFound)


def is_folder(path: str) -> bool:
    """Tell whether a directory is there."""
    system, key = filesystem(path)
    return bool(system.get_file_info(key).type == pafs.FileType.Directory)


def read_bytes(path: str) -> bytes:
    """Read a whole file, local or at a URI.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        There is no such file, it may not be read, or it is no regular file (a pipe would block for ever).
    """
    if is_uri(path):
        system, key = filesystem(path)
        with system.open_input_stream(key, compression=None) as stream:
            return stream.read()
    with _open_regular(path) as file:
        return file.read()


@contextmanager
def open_seekable(path: str) -> Iterator[BinaryIO]:
    """Open a file, local or at a URI, to read parts of it.

    An error of the file system is raised at the end of the block at the latest, in place of any other, even where the
    decoder that reads the file cannot pass it on and takes it for the file's end.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        As `read_bytes`, and when reading fails.
    """
    if is_uri(path):
        system, key = filesystem(path)
        stream = system.open_input_file(key)
    else:
        stream = _open_regular(path)
    raw = _Watched(stream)
    with io.BufferedReader(raw, READ_AHEAD_BYTES) as file:
        try:
            yield cast(BinaryIO, file)
        finally:
            if raw.error is not None:
                raise raw.error from None


class _Watched(io.RawIOBase):
    """A stream that ends where reading fails, and keeps the error."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.stream.read(len(buffer))
        except OSError as error:
            self.error = error
            return 0
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.stream.seek(offset, whence)
        return int(self.stream.tell())

    def tell(self) -> int:
        return int(self.stream.tell())

    def close(self) -> None:
        self.stream.close()
        super().close()


def _open_regular(path: str) -> BinaryIO:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} is not a regular file")
    return open(path, "rb", buffering=0)
