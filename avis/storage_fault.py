"""Tell storage that fails from a file that is bad, and be patient with the first.

Whatever goes wrong while storage is asked counts as a fault of the storage, unless it is definite: there is no such
file, it is none, the disk is full. Faults pass, so that they are waited for here and nowhere else; what does not pass
becomes `StorageError`, which is no one's reason to call a file bad or a shard corrupt.
"""

import contextlib
import errno
import io
import itertools
import os
import random
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs

ATTEMPTS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Between attempts: doubled each time, less up to half of it at random, some 45 s in all."""

DEFINITE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EINVAL, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
}
"""What the system says of a file or a disk, and will say again."""

REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
REFUSALS = re.compile(r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN")
"""What object stores say to whom they do not let in, as pyarrow passes it on."""

REFUSED_STATUS, MISSING_STATUS = {401, 403}, {404, 410}
"""Of HTTP."""

OURS = (ValueError, TypeError, AttributeError, LookupError, NameError, AssertionError, ImportError, MemoryError)
"""What code raises by itself, whatever the storage does."""

Result = TypeVar("Result")


class StorageError(OSError):
    """Storage that does not answer, or lets nobody in. What it holds may be in order."""


def retried(action: Callable[[], Result], path: str) -> Result:
    """Return what an action on storage returns; faults are waited for, the longer the more often.

    Parameters
    ----------
    action : callable
        Begins from the start each time.
    path : str
        Local path or URI that it is about.

    Raises
    ------
    StorageError
        The storage failed each of `ATTEMPTS` times, or gives no leave.
    Exception
        What is definite, as it was raised: FileNotFoundError, a full disk, an error that is not the storage's.
    """
    started = time.monotonic()
    for attempt in itertools.count(1):
        try:
            return action()
        except Exception as error:
            if is_definite(error):
                raise
            if _is_refusal(error):
                raise StorageError(
                    f"storage gives no leave: got {_told(error)}, expected leave to use it. {_where(path)} "
                    "Check rights and credentials, then run the same command again: what is finished is kept."
                ) from error
            if attempt >= ATTEMPTS:
                raise StorageError(
                    f"storage does not answer: got {_told(error)} in {attempt} attempts over "
                    f"{time.monotonic() - started:.0f} s, expected an answer. {_where(path)} "
                    "When it is back, run the same command again: what is finished is kept."
                ) from error
        time.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1))
    raise AssertionError("attempts do not end")


def mount_missing(path: str) -> StorageError:
    """Return the error for a file that is missing with all of its folder."""
    return StorageError(
        f"mount missing: got no folder, or an empty one, around a listed file, expected others beside it. "
        f"{_where(path)} Mount it on that node, or leave what is gone out of the list, then run the same command "
        "again: what is finished is kept."
    )


def is_definite(error: Exception) -> bool:
    """Tell an error that says something of the file, the disk or the code from one that may pass."""
    if isinstance(error, (StorageError, *OURS)):
        return True
    if isinstance(error, FileNotFoundError):  # in which fsspec wraps whatever a web server says
        cause = error.__cause__
        is_other = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
        return not is_other and getattr(cause, "status", 404) in MISSING_STATUS
    return isinstance(error, NotImplementedError) or getattr(error, "errno", None) in DEFINITE


def _is_refusal(error: Exception) -> bool:
    is_status = {getattr(told, "status", None) for told in (error, error.__cause__)} & REFUSED_STATUS
    return getattr(error, "errno", None) in REFUSED or bool(is_status) or REFUSALS.search(str(error)) is not None


def _told(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    return f"{type(cause).__name__} ({(str(cause).splitlines() or [''])[0]})"


def _where(path: str) -> str:
    return f"At {path}, {_endpoint(path)}, node {socket.gethostname()}."


def _endpoint(path: str) -> str:
    """Return what answers, or should: the server of a URI, the mount of a local path."""
    scheme, is_uri, rest = path.partition("://")
    if not is_uri:
        folder = os.path.dirname(os.path.abspath(path))
        while not os.path.ismount(folder):
            folder = os.path.dirname(folder)
        return f"mount {folder}"
    head, _, query = rest.partition("?")
    given = parse_qs(query).get("endpoint_override") or [os.environ.get("AWS_ENDPOINT_URL", "")][: scheme == "s3"]
    return f"endpoint {''.join(given[:1]) or f'{scheme}://' + head.partition('/')[0]}"


class SteadyFile(io.RawIOBase):
    """A file to read parts of, which is opened again where reading it fails; see `retried`.

    Parameters
    ----------
    path : str
        Its name in errors.
    opened : callable
        Opens it: returns what can ``seek`` and ``read``.
    """

    def __init__(self, path: str, opened: Callable[[], Any]) -> None:
        self.path, self._opened = path, opened
        self._stream: Any = None
        self._position = 0
        self._size = retried(self._find_size, path)

    def readable(self) -> bool:
        """Say so."""
        return True

    def seekable(self) -> bool:
        """Say so."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, fewer only at the end."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = retried(partial(self._read_here, wanted), self.path)
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        return self._position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def close(self) -> None:
        """Close what is open."""
        self._let_go()
        super().close()

    def _find_size(self) -> int:
        self._stream = self._opened()
        self._stream.seek(0, io.SEEK_END)
        return int(self._stream.tell())

    def _read_here(self, size: int) -> bytes:
        self._stream = self._stream or self._opened()
        try:
            self._stream.seek(self._position)
            data = bytes(self._stream.read(size))
            while len(data) < size:
                more = self._stream.read(size - len(data))
                if not more:
                    raise OSError(f"{len(data)} bytes of {size} from {self._position} on")
                data += more
        except BaseException:
            self._let_go()
            raise
        return data

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(Exception):  # it may be what fails
                stream.close()


class KeptError(io.RawIOBase):
    """A file that ends where reading it fails, and keeps the error, for decoders that cannot pass one on."""

    def __init__(self, file: SteadyFile) -> None:
        self.file = file
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Say so."""
        return True

    def seekable(self) -> bool:
        """Say so."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        try:
            return self.file.readinto(buffer)
        except OSError as error:
            self.error = error
            return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self.file.tell()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()
