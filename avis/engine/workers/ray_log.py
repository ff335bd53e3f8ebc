"""Send the messages of Ray and other libraries to a file, so that the console shows AVIS's own lines."""

import os
import sys
import tempfile

from avis import location, store
from avis.run_folder import RAY_LOG

STDERR = 2


class RayLog:
    """Where the messages of Ray go: this process's standard error, or a file once a pipeline has asked for one.

    The file takes the place of the file descriptor, since Ray's C++ core writes to that and asks no logger.
    """

    def __init__(self) -> None:
        self.folder: str | None = None
        self.uri: str | None = None
        self._stderr: int | None = None

    def write_below(self, folder: str) -> None:
        """Keep the messages in ``ray.log`` of a folder, a path or a URI, from when Ray is started."""
        self.folder = folder

    def move_below(self, folder: str) -> None:
        """Take another folder, if the messages are to be kept at all."""
        if self.folder is not None:
            self.folder = folder

    def start(self) -> None:
        """Send standard error to the file from now on, if a folder was given; say where it is."""
        if self.folder is None or self._stderr is not None:
            return
        self.uri = location.join(self.folder, RAY_LOG)
        if location.is_uri(self.uri):
            file, self._path = tempfile.mkstemp(suffix=RAY_LOG)
        else:
            os.makedirs(self.folder, exist_ok=True)
            self._path = self.uri
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stderr.flush()
        self._stderr = os.dup(STDERR)
        os.dup2(file, STDERR)
        os.close(file)
        print(f"messages of Ray: {self.uri}", flush=True)

    def stop(self) -> None:
        """Stop the Ray that was started, whose last messages belong to the file, and restore standard error."""
        self.folder = None
        if self._stderr is None:
            return
        import ray  # costs a second, which pipelines without Ray need not spend

        try:
            ray.shutdown()
        finally:
            sys.stderr.flush()
            os.dup2(self._stderr, STDERR)
            os.close(self._stderr)
            self._stderr = None
        if self.uri and self._path != self.uri:
            self._copy(self.uri)

    def _copy(self, uri: str) -> None:
        try:
            before = location.read_bytes(uri) if location.exists(uri) else b""
            store.write_bytes(uri, before + location.read_bytes(self._path))
            os.unlink(self._path)
        except OSError as error:  # which must not hide how the run ended
            print(f"warning: the messages of Ray stay at {self._path} ({error})", file=sys.stderr)


MESSAGES = RayLog()
"""Messages of Ray in this process."""
