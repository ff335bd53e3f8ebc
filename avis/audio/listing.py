"""List the audio files below a folder. Nothing is decoded here."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.fs as pafs

from avis.location import exists, filesystem, is_uri, join, look_below, parent, split_query
from avis.storage_fault import StorageError, is_definite, mount_missing, retried
from avis.through_fsspec import WEB_SCHEMES

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".aac", ".amr", ".wma"),
)
"""What is listed as audio, and left away from ids. What a file is, its first bytes tell."""

COMPANION, COMPANIONS = "._", "__MACOSX"
"""How macOS begins the name of what it keeps beside a file on other systems, and the folder of it in its archives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFile:
    """A file as the listing saw it.

    Attributes
    ----------
    path : str
        Where to read it: absolute path or URI.
    relative : str
        Path below the root, with ``/`` on every system.
    size_bytes, modified_ns : int
        -1 if there is no such file: it stays in the list, and whoever decodes it finds it unreadable.
        Of a file at a URI, -1 too where the file system does not tell.
    """

    path: str
    relative: str
    size_bytes: int
    modified_ns: int


def list_audio(root: str) -> list[AudioFile]:
    """List the audio files below a folder, local or at a URI, sorted by relative path.

    Symbolic links to folders are followed, except back into a folder that contains them. The companions of macOS
    (`COMPANION`, `COMPANIONS`) have the suffixes of audio and are none: they are left out, and their number is said.

    Raises
    ------
    ValueError
        The root is no folder, or holds no audio file.
    StorageError
        A folder below the root cannot be listed.
    """
    top = existing_root(root)
    found = _list_remote(top) if is_uri(top) else _walk(top, "", ())
    listed = sorted(found, key=lambda file: file.relative)
    files = [file for file in listed if not _is_companion(file.relative)]
    if num_companions := len(listed) - len(files):
        print(f"left out {num_companions} companions of macOS ({COMPANION}*, {COMPANIONS}) below {top}", flush=True)
    if not files:
        raise ValueError(
            f"no audio found: got num_files=0, expected files ending in {', '.join(AUDIO_SUFFIXES)}. At {top}. "
            "Correct the root."
        )
    return files


def _is_companion(relative: str) -> bool:
    *folders, name = relative.split("/")
    return name.startswith(COMPANION) or COMPANIONS in folders


def existing_root(root: str) -> str:
    """Return a root as an absolute path (``~`` expanded, links kept), or the URI that it is.

    Raises
    ------
    ValueError
        There is no such local folder. Whether there is anything at a URI shows when it is read.
    """
    if is_uri(root):
        return root
    top = os.path.abspath(os.path.expanduser(root))
    if not os.path.isdir(top):
        raise ValueError(
            f"root missing: got root={root!r}, expected a folder or a URI. At {top}. "
            "Correct the root or fetch what belongs there."
        )
    return top


def audio_file(info: pafs.FileInfo, *, path: str, relative: str) -> AudioFile:
    """Return a file as its file system tells of it: one that is not there, or of no size that it knows, has size -1."""
    is_told = info.is_file and info.size is not None
    return AudioFile(
        path=path, relative=relative, size_bytes=info.size if is_told else -1, modified_ns=info.mtime_ns or -1
    )


def stat_audio(path: str, *, relative: str) -> AudioFile:
    """Look up one local file that a list names; one that is missing gets size -1."""
    try:
        found = retried(lambda: os.stat(path), path)
    except StorageError:
        raise
    except OSError:
        return AudioFile(path=path, relative=relative, size_bytes=-1, modified_ns=-1)
    return AudioFile(path=path, relative=relative, size_bytes=found.st_size, modified_ns=found.st_mtime_ns)


def check_gone(path: str) -> None:
    """Refuse to believe that a missing file is gone where all around it is: its folder, or at a URI its bucket.

    Raises
    ------
    StorageError
        The folder is missing or empty, as that of a mount is which is not there.
    """
    head, query = split_query(path)
    scheme, _, rest = head.partition("://") if is_uri(path) else ("file", "", path)
    if scheme in WEB_SCHEMES:
        return
    if scheme == "file":
        is_there = retried(lambda: _holds_anything(filesystem(parent(path))[1]), path)
    else:
        is_there = exists(f"{scheme}://{rest.partition('/')[0]}{query}")
    if not is_there:
        raise mount_missing(path)


def _holds_anything(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except FileNotFoundError:
        return False


def _list_remote(root: str) -> Iterator[AudioFile]:
    _, top = filesystem(root)
    for info in look_below(root, recursive=True):
        if info.type == pafs.FileType.File and info.base_name.lower().endswith(AUDIO_SUFFIXES):
            relative = info.path[len(top) :].lstrip("/")
            yield audio_file(info, path=join(root, relative), relative=relative)


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[AudioFile]:
    found = retried(lambda: os.stat(folder), folder)
    identity = (found.st_dev, found.st_ino)
    if identity in above:
        return
    for path, name, is_folder in retried(lambda: _listed(folder), folder):
        if is_folder:
            yield from _walk(path, f"{prefix}{name}/", (*above, identity))
        elif name.lower().endswith(AUDIO_SUFFIXES):
            yield stat_audio(path, relative=prefix + name)


def _listed(folder: str) -> list[tuple[str, str, bool]]:
    """Return path and name of what lies in a local folder, and whether it is a folder."""
    with os.scandir(folder) as entries:
        return [(entry.path, entry.name, _leads_to_folder(entry)) for entry in entries]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    try:
        return stat.S_ISDIR(os.stat(entry.path).st_mode)
    except OSError as error:
        if is_definite(error):  # leads nowhere, or to itself
            return False
        raise
