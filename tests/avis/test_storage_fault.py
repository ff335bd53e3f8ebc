"""Storage that fails is waited for; what is definite is said at once."""

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from avis import location, storage_fault, store
from avis.checkpoints.checkpoint import read_checkpoint
from avis.corpora.files import read_text
from avis.corpora.text_table import read_text_table
from avis.scoring.enrolment import read_enrolments
from avis.scoring.trials import read_trials
from avis.storage_fault import ATTEMPTS, SteadyFile, StorageError, retried


def failing(*errors: Exception) -> tuple[Callable[[], str], list[int]]:
    """Return an action that raises these errors in turn, then succeeds, and its calls."""
    left, calls = [*errors], [0]

    def action() -> str:
        calls[0] += 1
        if left:
            raise left.pop(0)
        return "done"

    return action, calls


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError("When reading key 'a' in bucket 'b': AWS Error SLOW_DOWN during GetObject operation"),
        TimeoutError(),
        RuntimeError("payload is not completed"),
    ],
)
def test_what_may_pass_is_waited_for(error: Exception):
    action, calls = failing(*[error] * (ATTEMPTS - 1))
    assert (retried(action, "/a"), calls) == ("done", [ATTEMPTS])
    action, calls = failing(*[error] * ATTEMPTS)
    expected = (
        rf"storage does not answer: got {type(error).__name__} .*in {ATTEMPTS} attempts.*At s3://b/a, endpoint s3://b,"
    )
    with pytest.raises(StorageError, match=expected):
        retried(action, "s3://b/a")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (FileNotFoundError(errno.ENOENT, "none"), FileNotFoundError),
        (OSError(errno.ENOSPC, "full"), OSError),
        (pa.ArrowInvalid("no Parquet"), pa.ArrowInvalid),
        (PermissionError(errno.EACCES, "denied"), StorageError),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation"), StorageError),
    ],
)
def test_what_is_definite_is_said_at_once(error: Exception, raised: type[Exception]):
    action, calls = failing(error)
    with pytest.raises(raised) as caught:
        retried(action, "/a")
    assert calls == [1]
    assert (caught.value is error) == (raised is not StorageError)
    assert raised is not StorageError or "Check rights" in str(caught.value)


def test_waits_grow_and_differ(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    monkeypatch.setattr(storage_fault, "FIRST_WAIT_S", 0.5)
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(StorageError):
        retried(failing(*[OSError("down")] * ATTEMPTS)[0], "/a")
    assert len(waits) == ATTEMPTS - 1
    assert all(0.5 * full <= wait <= full for wait, full in zip(waits, [0.5, 1, 2, 4, 8, 16, 30], strict=True))


def test_a_file_is_opened_again_where_reading_fails():
    data = os.urandom(1000)

    class Dying(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() + (size or 0) > 600 and len(opened) < 3:
                raise OSError(errno.ESTALE, "Stale file handle")
            return super().read(size)

    opened: list[Dying] = []

    def open_again() -> Dying:
        opened.append(Dying(data))
        return opened[-1]

    with SteadyFile("/a", open_again) as file:
        assert file.read(500) + file.read(500) + file.read(1) == data
        assert (file.seek(-10, io.SEEK_END), file.read()) == (990, data[-10:])
    assert [stream.closed for stream in opened] == [True, True, True]


READERS: dict[str, Callable[[str], Any]] = {
    "shard": store.open_part,
    "manifest of a store": store.open_manifest,
    "checkpoint": read_checkpoint,
    "list of a corpus": lambda path: read_text(path, expected="a list"),
    "manifest of a corpus": lambda path: next(read_text_table(path, required=["path"])),
    "trial list": read_trials,
    "enrolments": read_enrolments,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_fault_is_no_corruption(read: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store.write_json(str(tmp_path / store.MANIFEST), {})
    (tmp_path / "a").write_bytes(b"data")

    def down(path: str) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(location, "_open_regular", down)
    with pytest.raises(StorageError, match=r"storage does not answer: got OSError \(\[Errno 5\]"):
        read(str(tmp_path if read is store.open_manifest else tmp_path / "a"))


@pytest.fixture
def web() -> Iterator[tuple[str, list[int]]]:
    """Serve a web server that answers with these states in turn, then with a file."""
    states: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = states.pop(0) if states else 200
            self.send_response(state)
            self.send_header("Content-Length", "4" if state == 200 else "0")
            self.end_headers()
            if state == 200 and self.command == "GET":
                self.wfile.write(b"data")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Leave the tests' output alone."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a", states
        server.shutdown()


def test_a_web_server_that_is_overloaded_has_lost_no_file(web: tuple[str, list[int]]):
    url, states = web
    states += [503] * 5
    assert (location.exists(url), states) == (True, [])
    states += [503] * 5
    assert (location.read_bytes(url), states) == (b"data", [])
    states += [503] * 100
    with pytest.raises(StorageError, match=f"storage does not answer: .*503.* At {url}, endpoint http://127.0.0.1"):
        location.exists(url)
    states[:] = [404] * 100
    assert not location.exists(url)
    with pytest.raises(FileNotFoundError):
        location.read_bytes(url)
    states[:] = [403] * 100
    with pytest.raises(StorageError, match=r"storage gives no leave: .*403"):
        location.read_bytes(url)
