"""The messages of Ray and other libraries: in a file while Ray is there, on standard error before and after."""

import os
from pathlib import Path

import pytest
import ray

from avis import location
from avis.engine.workers.ray_log import RayLog


@pytest.fixture(autouse=True)
def ray_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave other tests their Ray."""
    monkeypatch.setattr(ray, "shutdown", lambda: None)


def say(message: str) -> None:
    """Write to standard error as C++ does."""
    os.write(2, f"{message}\n".encode())


def test_messages_go_to_the_file_and_standard_error_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    for number in range(2):
        messages = RayLog()
        messages.write_below(str(tmp_path / "outputs"))
        messages.move_below(str(tmp_path / "run"))
        say("before")
        messages.start()
        say(f"token {number}")
        messages.stop()
        say("after")
    assert (tmp_path / "run" / "ray.log").read_text() == "token 0\ntoken 1\n", "a resumed run goes on with its log"
    said = capfd.readouterr()
    assert said.err == "before\nafter\n" * 2
    assert said.out == f"messages of Ray: {tmp_path}/run/ray.log\n" * 2
    assert not (tmp_path / "outputs").exists()


def test_a_log_at_a_uri_is_written_at_the_end(tmp_path: Path):
    uri = f"memory://{tmp_path}/run"
    for number in range(2):
        messages = RayLog()
        messages.write_below(uri)
        messages.start()
        say(f"token {number}")
        messages.stop()
    assert location.read_bytes(f"{uri}/ray.log") == b"token 0\ntoken 1\n"


def test_without_a_folder_nothing_is_sent_anywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    messages = RayLog()
    messages.move_below(str(tmp_path))
    messages.start()
    say("token")
    messages.stop()
    assert capfd.readouterr().err == "token\n"
    assert not list(tmp_path.iterdir())
