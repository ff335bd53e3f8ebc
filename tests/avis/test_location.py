"""Locations: local paths and URIs alike."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from avis import location
from avis.audio.listing import list_audio
from avis.storage_fault import StorageError


def test_local_paths_become_absolute_and_uris_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert location.absolute("outputs") == str(tmp_path / "outputs")
    assert location.absolute("~/outputs") == "/home/someone/outputs"
    assert location.absolute("s3://bucket/outputs") == "s3://bucket/outputs"


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])
def test_what_is_there(tmp_path: Path, scheme: str):
    folder = f"{scheme}{tmp_path}"
    (tmp_path / "a b%c.txt").write_bytes(b"x")
    file = location.join(folder, "a b%c.txt")
    assert (location.exists(file), location.is_folder(file), location.read_bytes(file)) == (True, False, b"x")
    assert (location.exists(folder), location.is_folder(folder)) == (True, True)
    nothing = location.join(folder, "b", "c")
    assert (location.exists(nothing), location.is_folder(nothing)) == (False, False)
    with pytest.raises(FileNotFoundError):
        location.read_bytes(nothing)
    assert location.names_in(folder) == ["a b%c.txt"]
    assert location.names_in(nothing) == []


def test_a_web_server_is_read(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b c.wav").write_bytes(b"0123456789")
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        assert location.read_bytes(f"{root}/a/b c.wav") == location.read_bytes(f"{root}/a/b c.wav?token=1")
        assert location.read_bytes(f"{root}/a/b c.wav") == b"0123456789"
        assert [location.exists(f"{root}/a/{name}") for name in ("b c.wav", "nothing")] == [True, False]
        assert [location.read_bytes(file.path) for file in list_audio(root)] == [b"0123456789"]
        with location.open_seekable(f"{root}/a/b c.wav") as file:  # of a server that sends no parts
            assert (file.seek(-3, 2), file.read(), file.seek(2), file.read(2)) == (7, b"789", 2, b"23")
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Leave the tests' output alone."""


@pytest.mark.parametrize(
    ("uri", "error", "reason"),
    [
        ("nosuch://a/b", pa.ArrowInvalid, "no scheme that is known"),
        ("az://a/b", StorageError, "Install adlfs"),  # on this node: no reason to reject a recording
    ],
)
def test_a_scheme_that_nothing_opens_is_named(uri: str, error: type[Exception], reason: str):
    with pytest.raises(error, match=f"no file system: got {uri[:-3]}.*{reason}.*At {uri}"):
        location.read_bytes(uri)


@pytest.mark.parametrize("scheme", ["filecache::file", "simplecache::memory", "filecache", "reference", "zip", "dir"])
def test_no_path_is_read_through_another_one_nor_written_anywhere(tmp_path: Path, scheme: str):
    (tmp_path / "list.txt").write_text("content")
    kept = f"?cache_storage={tmp_path}/kept&same_names=True&target_protocol=file&fo={tmp_path}/list.txt"
    with pytest.raises(pa.ArrowInvalid, match=f"no file system: got {scheme}://"):
        location.read_bytes(f"{scheme}://{tmp_path}/list.txt{kept}")
    assert not (tmp_path / "kept").exists()
