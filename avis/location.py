"""Find the bytes behind a local path or a URI such as ``s3://bucket/key.wav``.

pyarrow's own file systems answer to `ARROW_SCHEMES`, fsspec's to `FSSPEC_SCHEMES`, such as ``az://``, ``hf://`` and
``http://``, where the package that fsspec needs for it is installed.
"""

import errno
import functools
import io
import itertools
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import pyarrow.fs as pafs

from avis.storage_fault import KeptError, SteadyFile, retried
from avis.through_fsspec import WEB_SCHEMES, from_fsspec

READ_AHEAD_BYTES = 1 << 18
"""Read at a time from a file that is read in parts: object stores answer many small requests slowly."""

ARROW_SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")


def is_uri(path: str) -> bool:
    """Tell a URI from a local path.

    >>> is_uri("s3://bucket/a.wav"), is_uri("/data/a.wav")
    (True, False)
    """
    return "://" in path


def absolute(path: str) -> str:
    """Make a local path absolute (Ray's workers have another working directory); leave a URI as it is."""
    return path if is_uri(path) else os.path.abspath(os.path.expanduser(path))


def split_query(path: str) -> tuple[str, str]:
    """Split a URI before its query, which holds options of the file system; a local path has none.

    >>> split_query("s3://bucket/a.wav?region=eu-west-1"), split_query("/data/what?.wav")
    (('s3://bucket/a.wav', '?region=eu-west-1'), ('/data/what?.wav', ''))
    """
    head, question_mark, query = path.partition("?") if is_uri(path) else (path, "", "")
    return head, question_mark + query


def host(path: str) -> str:
    """Return the system that a URI is on, with its options; nothing of a local path.

    >>> host("s3://bucket/a/b.wav?region=eu-west-1"), host("/data/b.wav")
    ('s3://bucket?region=eu-west-1', '')
    """
    head, query = split_query(path)
    return "/".join(head.split("/")[:3]) + query if is_uri(path) else ""


def join(path: str, *names: str) -> str:
    """Join a local path or URI with names below it; a name that is a URI or an absolute path stands for itself.

    >>> join("s3://bucket/a?region=eu-west-1", "b", "c.wav"), join("s3://bucket/a", "gs://other/b")
    ('s3://bucket/a/b/c.wav?region=eu-west-1', 'gs://other/b')
    >>> join("s3://bucket/a?region=eu-west-1", "/data/b.wav")
    '/data/b.wav'
    """
    if names and (is_uri(names[-1]) or posixpath.isabs(names[-1])):
        return names[-1]
    head, query = split_query(path)
    return posixpath.join(head, *names) + query


def parent(path: str) -> str:
    """Return the folder of a local path or URI.

    >>> parent("s3://bucket/a/b.wav?region=eu-west-1"), parent("/data/b.wav")
    ('s3://bucket/a?region=eu-west-1', '/data')
    """
    head, query = split_query(path)
    return posixpath.dirname(head) + query


def stem(path: str) -> str:
    """Return the name of a file without its last suffix.

    >>> stem("s3://bucket/a/b.csv?region=eu-west-1"), stem("/data/b/")
    ('b', 'b')
    """
    return posixpath.splitext(posixpath.basename(split_query(path)[0].rstrip("/")))[0]


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Return the last parts of each path, as many as tell all of them apart; no path is there twice.

    >>> distinct_names(["/runs/a/scores.txt", "/runs/b/scores.txt"]), distinct_names(["/runs/a", "/runs/b/"])
    (['a/scores.txt', 'b/scores.txt'], ['a', 'b'])
    """
    parts = [split_query(path)[0].rstrip("/").split("/") for path in paths]
    assert len({*map(tuple, parts)}) == len(parts), f"paths twice: {paths}"
    enough = next(n for n in itertools.count(1) if len({tuple(names[-n:]) for names in parts}) == len(parts))
    return ["/".join(names[-enough:]) for names in parts]


def below(path: str, folder: str) -> str:
    """Return a path as it is written inside a folder: relative if it lies below it, so that both can move together.

    >>> below("/runs/a/scores/x", "/runs/a"), below("/elsewhere/x", "/runs/a")
    ('scores/x', '/elsewhere/x')
    >>> below("s3://b/runs/a/scores/x?region=eu-west-1", "s3://b/runs/a?region=eu-west-1")
    'scores/x'
    """
    (inner, query), (outer, outer_query) = split_query(path), split_query(folder)
    inside = inner.startswith(outer.rstrip("/") + "/") and query == outer_query
    return inner[len(outer) :].lstrip("/") if inside else path


def filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a local path or URI and the path inside it.

    The path is taken literally, as ``aws s3`` does: spaces, ``%`` and non-ASCII letters need no escaping. A query
    (``s3://bucket/key?region=eu-west-1``) holds options of the file system; others come from the environment, as
    ``AWS_ENDPOINT_URL`` and ``AWS_REGION``. Of files that fsspec finds, most systems tell the size but not the time.

    Raises
    ------
    pyarrow.ArrowInvalid
        No file system answers to the URI.
    StorageError
        It does not answer, or its package is not installed here.
    """
    if not is_uri(path):
        return pafs.LocalFileSystem(), absolute(path)
    return retried(lambda: _filesystem_of(path), path)


def _filesystem_of(path: str) -> tuple[pafs.FileSystem, str]:
    head, query = split_query(path)
    scheme, _, rest = head.partition("://")
    if scheme not in ARROW_SCHEMES:
        return from_fsspec(scheme, head, query)
    authority, _, key = rest.partition("/")
    system, root = _filesystem(scheme, authority, query)
    return system, posixpath.join(root, key) if key else root


@functools.lru_cache(maxsize=64)
def _filesystem(scheme: str, authority: str, query: str) -> tuple[pafs.FileSystem, str]:
    """Return a file system and its root; kept, so that requests share a client and its connections."""
    return pafs.FileSystem.from_uri(f"{scheme}://{authority}/{query}")


def look_up(path: str) -> pafs.FileInfo:
    """Return what its file system tells of a file or directory, be it that there is none."""
    system, key = filesystem(path)
    return retried(lambda: system.get_file_info(key), path)


def look_below(folder: str, *, recursive: bool = False) -> list[pafs.FileInfo]:
    """Return what its file system tells of all that lies in a folder; nothing if it is not there."""
    system, key = filesystem(folder)
    selector = pafs.FileSelector(key, allow_not_found=True, recursive=recursive)
    return list(retried(lambda: system.get_file_info(selector), folder))


def exists(path: str) -> bool:
    """Tell whether a file or directory is there."""
    return bool(look_up(path).type != pafs.FileType.NotFound)


def is_folder(path: str) -> bool:
    """Tell whether a directory is there."""
    return bool(look_up(path).type == pafs.FileType.Directory)


def names_in(folder: str) -> list[str]:
    """Return the names of what lies directly in a folder, sorted; none if it is not there."""
    return sorted(info.base_name for info in look_below(folder))


def read_bytes(path: str, *, at_most: int | None = None) -> bytes:
    """Read a whole file, local or at a URI, or its first bytes.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        There is no such file, or it is no regular file (a pipe would block for ever).
    StorageError
        The storage does not answer, or gives no leave.
    """
    return retried(lambda: _read_once(path, at_most), path)


def _read_once(path: str, at_most: int | None) -> bytes:
    if is_uri(path):
        system, key = filesystem(path)
        with system.open_input_stream(key, compression=None) as stream:
            return stream.read(at_most)
    with io.BufferedReader(_open_regular(path)) as file:
        return file.read(at_most)


def open_file(path: str) -> SteadyFile:
    """Open a file, local or at a URI, to read parts of it; an error of the storage is waited for and then raised.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid, StorageError
        As `read_bytes`.
    """
    return SteadyFile(path, lambda: _open_parts(path) if is_uri(path) else _open_regular(path))


@contextmanager
def open_seekable(path: str) -> Iterator[BinaryIO]:
    """Open a file as `open_file` does, for a decoder.

    An error of the storage is raised at the end of the block at the latest, in place of any other, even where the
    decoder that reads the file cannot pass it on and takes it for the file's end.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid, StorageError
        As `read_bytes`.
    """
    raw = KeptError(open_file(path))
    with io.BufferedReader(raw, READ_AHEAD_BYTES) as file:
        try:
            yield cast(BinaryIO, file)
        finally:
            if raw.error is not None:
                raise raw.error from None


def _open_parts(path: str) -> Any:
    """Open a file at a URI; what a web server only sends whole is held in memory."""
    system, key = filesystem(path)
    stream = system.open_input_file(key)
    if path.startswith(tuple(f"{scheme}://" for scheme in WEB_SCHEMES)):
        try:
            stream.seek(-1, io.SEEK_END)
            stream.read(1)
            stream.seek(0)
        except ValueError:
            return io.BytesIO(read_bytes(path))
    return stream


def _open_regular(path: str) -> io.FileIO:
    if "\0" in path or not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    return open(path, "rb", buffering=0)
