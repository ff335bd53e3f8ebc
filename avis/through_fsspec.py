"""The file systems that fsspec finds, for pyarrow, which takes much of what goes wrong there for a missing file."""

from typing import Any
from urllib.parse import parse_qsl

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs

from avis.storage_fault import StorageError, is_definite

FSSPEC_SCHEMES = (
    *("http", "https", "webdav", "ftp", "sftp", "ssh", "smb", "webhdfs", "hf", "az", "adl", "oss", "oci", "ocilake"),
    *("tos", "tosfs", "s3a", "gdrive", "dropbox", "box", "dbfs", "wandb", "local", "memory"),
)
"""Those of fsspec that hold files themselves. Others read through one another and keep copies where the path says:
``filecache::http://...?cache_storage=...`` in somebody's list would write a file of theirs anywhere.
"""
WEB_SCHEMES = ("http", "https")
"""Whose query is part of the address, and holds no options."""


def from_fsspec(scheme: str, head: str, query: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a URI, given before and from its query on, and the path inside it.

    Raises
    ------
    pyarrow.ArrowInvalid
        It is none of `FSSPEC_SCHEMES`.
    StorageError
        A package is not installed here.
    """
    try:
        if scheme not in FSSPEC_SCHEMES:
            raise ValueError("no scheme that is known to hold files itself")
        if scheme in WEB_SCHEMES:
            system, key = fsspec.core.url_to_fs(head + query)
        else:
            system, key = fsspec.core.url_to_fs(head, **dict(parse_qsl(query[1:])))
    except ImportError as error:
        raise StorageError(
            f"no file system: got {scheme}:// ({error}), expected a package that opens it. At {head}. "
            "Install it on every node."
        ) from error
    except ValueError as error:
        raise pa.ArrowInvalid(
            f"no file system: got {scheme}:// ({error}), expected a scheme that pyarrow or fsspec opens. At {head}. "
            "Correct it."
        ) from error
    return pafs.PyFileSystem(_Honest(system)), key


class _Honest(pafs.FSSpecHandler):
    """What fsspec finds, looked up each time: other processes write there too. Faults are raised."""

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        self.fs.invalidate_cache()
        return [self._info(path) for path in paths]

    def _info(self, path: str) -> pafs.FileInfo:
        try:
            return self._create_file_info(path, self.fs.info(path))
        except FileNotFoundError as error:
            if not is_definite(error):
                raise
            return pafs.FileInfo(path, pafs.FileType.NotFound)

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        self.fs.invalidate_cache()
        if selector.allow_not_found and self._info(selector.base_dir).type == pafs.FileType.NotFound:
            return []
        asked: dict[str, Any] = {"maxdepth": None if selector.recursive else 1, "withdirs": True, "detail": True}
        try:
            found = self.fs.find(selector.base_dir, on_error="raise", **asked)
        except TypeError:  # one that lists all at once, and leaves nothing out
            found = self.fs.find(selector.base_dir, **asked)
        infos = [self._create_file_info(path, info) for path, info in found.items()]
        return [info for info in infos if info.path.rstrip("/") != selector.base_dir.rstrip("/")]

    def delete_file(self, path: str) -> None:
        self.fs.rm_file(path)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(self.fs.open(path, mode="rb"), mode="r")

    def open_input_file(self, path: str) -> pa.NativeFile:
        return self.open_input_stream(path)
