"""A Ray of one's own: apart from others, in folders whose paths are short, with objects where there is room."""

import os
from pathlib import Path
from typing import Any

import pytest
import ray

from avis.engine.workers import machine, private_ray

MIB = 2**20


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stand in for the variables of this process, to be changed at will."""
    variables: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", variables)
    return variables


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch):
    """Return what says how many MiB there are: ``room(memory=1000, shared=64, disk=10_000)``."""

    def there_is(*, memory: int, shared: int, disk: int) -> None:
        monkeypatch.setattr(machine, "memory_bytes", lambda: memory * MIB)
        monkeypatch.setattr(machine, "shared_memory_bytes", lambda: shared * MIB)
        monkeypatch.setattr(machine, "free_bytes", lambda folder: disk * MIB)

    return there_is


def test_nothing_of_another_ray_is_left(environment: dict[str, str], capsys: pytest.CaptureFixture[str]):
    theirs = {
        "RAY_ADDRESS": "http://head:8265",
        "RAY_AUTH_MODE": "disabled",
        "RAY_AUTH_TOKEN": "theirs",
        "RAY_AUTH_TOKEN_PATH": "/nowhere",
        "RAY_JOB_CONFIG_JSON_ENV_VAR": "{}",
        "RAY_NAMESPACE": "theirs",
        "RAY_RUNTIME_ENV_HOOK": "no.such.hook",
        "RAY_USE_TLS": "1",
        "OMP_NUM_THREADS": "64",
    }
    ours = {"RAY_DATA_LOG_LEVEL": "WARNING", "RAY_memory_usage_threshold": "0.9", "PATH": "/bin"}
    environment.update(theirs | ours)
    private_ray.leave_other_rays()
    environment.pop("PYTEST_CURRENT_TEST")
    assert environment == ours | {"RAY_AUTH_TOKEN": private_ray.TOKEN}
    assert len(private_ray.TOKEN) == 64
    assert "RAY_ADDRESS=http://head:8265 set aside" in capsys.readouterr().out


def test_sessions_and_spilled_objects_lie_in_the_scratch_folder(
    environment: dict[str, str], monkeypatch, tmp_path: Path
):
    monkeypatch.setattr(private_ray, "MAX_FOLDER_BYTES", 1000)
    environment["TMPDIR"] = str(tmp_path)
    assert private_ray.choose_folders() == (f"{tmp_path}/ray", str(tmp_path))
    (tmp_path / "mine").mkdir()
    environment["RAY_TMPDIR"] = f"{tmp_path}/mine"
    assert private_ray.choose_folders() == (f"{tmp_path}/mine/ray", f"{tmp_path}/mine")


def test_a_path_too_long_for_sockets_keeps_the_objects(
    environment: dict[str, str], monkeypatch, tmp_path: Path, capsys
):
    short, long = tmp_path / "short", tmp_path / ("long" * 10)
    short.mkdir()
    long.mkdir()
    environment["TMPDIR"] = str(long)
    monkeypatch.setattr(private_ray, "SCRATCH", (str(short),))
    monkeypatch.setattr(private_ray, "MAX_FOLDER_BYTES", len(f"{short}/ray"))
    assert private_ray.choose_folders() == (f"{short}/ray", str(long))
    assert "sockets are short" in capsys.readouterr().out


def test_a_session_fits_into_the_path_of_a_socket():
    longest = "/" + "x" * (private_ray.MAX_FOLDER_BYTES - 1)
    assert len(f"{longest}/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store") <= 103


def test_no_folder_to_write_to_is_refused(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    environment["TMPDIR"] = "/nowhere"
    monkeypatch.setattr(private_ray, "SCRATCH", ("/nowhere/else",))
    with pytest.raises(ValueError, match=r"no scratch folder: got /nowhere, /nowhere/else, expected one .* At TMPDIR"):
        private_ray.choose_folders()


@pytest.mark.parametrize(
    ("memory", "shared", "disk", "size", "where"),
    [
        (10_000, 5_000, 0, 3_000, machine.SHARED_MEMORY),
        (10_000, 1_000, 99_000, 950, machine.SHARED_MEMORY),  # more of it is spilled
        (10_000, 64, 99_000, 3_000, "disk"),
        (10_000, 0, 2_000, 1_000, "disk"),  # half of the disk
        (100, 5_000, 0, 80, machine.SHARED_MEMORY),
    ],
)
def test_objects_lie_where_there_is_room(room, capsys, memory: int, shared: int, disk: int, size: int, where: str):
    room(memory=memory, shared=shared, disk=disk)
    found, folder = private_ray.place_object_store("disk")
    assert (found // MIB, folder) == (size, where)
    small = f"/dev/shm has room for {int(0.95 * shared)} of"
    assert (small in capsys.readouterr().out) == (shared < 5_000)


def test_no_room_for_objects_is_refused(room):
    room(memory=10_000, shared=64, disk=100)
    with pytest.raises(
        ValueError, match=r"no room .*: got 60 MiB in /dev/shm and 50 MiB in disk, expected at least 80 MiB"
    ):
        private_ray.place_object_store("disk")


@pytest.mark.parametrize(
    ("files", "threads", "refusal"),
    [(200, 2**40, "ulimit -n 200"), (4096, 100, "got 100 left of ulimit -u, expected at least")],
)
def test_a_limit_that_ray_would_hang_at_is_named(monkeypatch, files: int, threads: int, refusal: str):
    monkeypatch.setattr(machine, "open_files", lambda: files)
    monkeypatch.setattr(machine, "threads_left", lambda: (threads, "ulimit -u"))
    with pytest.raises(ValueError, match=f"{refusal}.* compute=debug"):
        private_ray.check_limits(4)


def test_a_ray_that_does_not_start_says_what_to_do(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    def fails(**settings: Any) -> None:
        raise RuntimeError("the node is gone\nand more")

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(
        ValueError, match=r"Ray does not start: got RuntimeError \(the node is gone\), expected .* compute=debug"
    ):
        private_ray.start(4)
