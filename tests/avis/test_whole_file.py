"""Files appear whole or not at all: on a disk, on S3, and where fsspec writes as it does to GCS."""

import errno
import io
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from avis import location, storage_fault, whole_file
from avis.storage_fault import StorageError

ROOT = Path(__file__).parents[2]
OLD = b"old"
SIZE = 12_000_000
"""Bytes of the new file: more than one part of an upload to S3."""


class Cut(io.BytesIO):
    """A file that ends in an error after some bytes, each time it is read."""

    def __init__(self, error: BaseException, times: int = 1) -> None:
        super().__init__(bytes(SIZE))
        self.error, self.times = error, times

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > SIZE // 2 and self.times:
            self.times -= 1
            raise self.error
        return super().read(size)


@pytest.fixture(params=["local", "s3", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"s3://speech/whole-{uuid.uuid4().hex}{request.getfixturevalue('s3')}"
    return str(tmp_path) if request.param == "local" else f"memory://whole-{uuid.uuid4().hex}"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), OSError(errno.ENOSPC, "full")])
def test_a_write_that_is_broken_off_leaves_the_old_file(folder: str, error: BaseException):
    uri = location.join(folder, "last.ckpt")
    whole_file.write_bytes(uri, OLD)
    with pytest.raises(type(error)):
        whole_file.write_file(uri, Cut(error))
    assert location.read_bytes(uri) == OLD
    assert location.names_in(folder) == ["last.ckpt"]


@pytest.mark.few(1)
def test_a_write_that_fails_is_tried_again(folder: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage_fault, "ATTEMPTS", 2)
    uri = location.join(folder, "last.ckpt")
    whole_file.write_bytes(uri, OLD)
    whole_file.write_file(uri, Cut(OSError(errno.EIO, "Input/output error"), times=1))
    assert location.read_bytes(uri) == bytes(SIZE)
    with pytest.raises(StorageError, match=r"storage does not answer: got OSError \(\[Errno 5\].* At .*last\.ckpt"):
        whole_file.write_file(uri, Cut(OSError(errno.EIO, "Input/output error"), times=2))
    assert location.read_bytes(uri) == bytes(SIZE)
    assert location.names_in(folder) == ["last.ckpt"]


def test_what_s3_cannot_move_is_written_in_place(s3: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whole_file, "MOST_COPIED_BYTES", SIZE - 1)
    uri = f"s3://speech/large/last.ckpt{s3}"
    monkeypatch.setattr(whole_file, "_move", lambda *_: pytest.fail("moved"))
    whole_file.write_file(uri, io.BytesIO(bytes(SIZE)))
    assert location.read_bytes(uri) == bytes(SIZE)


KILLED = """
import io, signal, sys, time
from avis import whole_file

signal.signal(signal.SIGINT, signal.default_int_handler)  # which what runs in the background of a shell ignores

class Slow(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > 6_000_000:
            print("half", flush=True)
            time.sleep(60)
        return super().read(size)

whole_file.write_file(sys.argv[1], Slow(bytes(12_000_000)))
"""


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("where", ["local", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_writer_that_is_killed(number: signal.Signals, where: str, tmp_path: Path, request: pytest.FixtureRequest):
    folder = str(tmp_path) if where == "local" else f"s3://speech/killed-{number.name}{request.getfixturevalue('s3')}"
    uri = location.join(folder, "last.ckpt")
    whole_file.write_bytes(uri, OLD)
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, uri], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert writer.stdout
    assert writer.stdout.readline() == "half\n"
    writer.send_signal(number)
    writer.wait(timeout=60)
    assert location.read_bytes(uri) == OLD
    whole_file.clear_unfinished(folder)
    assert location.names_in(folder) == ["last.ckpt"]
