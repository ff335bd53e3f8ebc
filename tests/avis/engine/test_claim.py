"""Who works on a run: one process; what the dead have left is taken over."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis import claim, location, store
from avis.claim import CLAIM
from avis.engine.claim import claimed

HOLD = "from avis.engine.claim import claimed\nwith claimed({run!r}):\n    print('held', flush=True)\n    input()"


@pytest.fixture(autouse=True)
def soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SETTLES_S", 0.1)


@pytest.fixture
def hold(tmp_path: Path) -> Any:
    """Return what holds a run in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(run=str(tmp_path))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_is_worked_on_is_refused_and_one_of_the_dead_taken_over(hold: Any, tmp_path: Path):
    """A killed process's claim stays, but says which process that was."""
    refused = rf"run in use: got a run that process {hold.pid} on .* At {tmp_path}/{CLAIM}\. Wait until it ends"
    with pytest.raises(ValueError, match=refused), claimed(str(tmp_path)):
        pass
    hold.send_signal(signal.SIGKILL)
    hold.wait()
    assert (tmp_path / CLAIM).exists()
    with claimed(str(tmp_path)):
        pass
    assert not tmp_path.exists()


def left_by(uri: str, ago_s: float = 0.0, ahead_s: float = 0.0, **changes: Any) -> None:
    """Leave the claim of a process, whose clock may be ahead; in memory nothing has a time but by that clock."""
    renewed = time.time() - ago_s
    store.write_json(uri, {**claim._this_process(), "token": "other", "renewed": renewed + ahead_s, **changes})
    if not location.is_uri(uri):
        os.utime(uri, (renewed, renewed))


@pytest.mark.parametrize(
    ("changes", "lives"),
    [
        ({}, True),
        ({"started": 1}, False),  # the number belongs to another process by now
        ({"boot": "before"}, True),
        ({"host": "elsewhere"}, True),
        ({"pid_namespace": "pid:[1]", "pid": 10**8}, True),
        ({"host": "elsewhere", "ago_s": 1000}, False),
        ({"boot": "before", "ago_s": 1000}, False),
    ],
)
@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_who_lives(tmp_path: Path, changes: dict[str, Any], lives: bool, scheme: str):
    """A process that cannot be seen from here is believed for two minutes."""
    run_dir = f"{scheme}{tmp_path}/run"
    left_by(f"{run_dir}/{CLAIM}", **changes)
    if lives:
        with pytest.raises(ValueError, match="run in use"), claimed(run_dir):
            pass
    else:
        with claimed(run_dir):
            assert store.read_json(f"{run_dir}/{CLAIM}")["token"] != "other"
    assert location.exists(f"{run_dir}/{CLAIM}") == lives


@pytest.mark.parametrize("ahead_s", [-5000, 5000])
@pytest.mark.parametrize(("ago_s", "lives"), [(100, True), (140, False)])
def test_clocks_that_differ_tell_nothing_of_who_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: float, ago_s: float, lives: bool
):
    """The storage's clock, which is this machine's here, is neither that of the holder nor that of who looks."""
    left_by(str(tmp_path / CLAIM), host="elsewhere", ago_s=ago_s, ahead_s=ahead_s)
    monkeypatch.setattr(claim.time, "time", lambda now=time.time: now() - 2 * ahead_s)
    if lives:
        with pytest.raises(ValueError, match="heard of 100 s ago"), claimed(str(tmp_path)):
            pass
    else:
        with claimed(str(tmp_path)):
            assert store.read_json(str(tmp_path / CLAIM))["token"] != "other"
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.few(1)
@pytest.mark.parametrize(("believed_s", "lives"), [(claim.BELIEVED_S, True), (1.0, False)])
def test_a_bucket_tells_how_old_a_claim_is(s3: str, monkeypatch: pytest.MonkeyPatch, believed_s: float, lives: bool):
    """To the second."""
    monkeypatch.setattr(claim, "BELIEVED_S", believed_s)
    run_dir = f"s3://speech/{lives}{s3}"
    left_by(location.join(run_dir, CLAIM), host="elsewhere", ahead_s=-5000 if lives else 5000)
    time.sleep(2.1)
    if lives:
        with pytest.raises(ValueError, match=r"heard of [23] s ago"), claimed(run_dir):
            pass
    else:
        with claimed(run_dir):
            assert store.read_json(location.join(run_dir, CLAIM))["token"] != "other"
    assert location.names_in(run_dir) == ([CLAIM] if lives else [])


def test_going_on_with_a_run_waits_for_the_claim_of_a_machine_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As that of a cluster's head, in place of which another has come at once."""
    left_by(str(tmp_path / CLAIM), host="head", pid=17, ago_s=claim.BELIEVED_S - 1)
    with claimed(str(tmp_path), resumed=True):
        assert store.read_json(str(tmp_path / CLAIM))["host"] != "head"
    assert "run in use: waits until process 17 on head is heard of, or for 1 s" in capsys.readouterr().out


def test_going_on_with_a_run_that_another_machine_works_on_is_refused_once_that_is_heard_of(tmp_path: Path):
    uri = str(tmp_path / CLAIM)
    left_by(uri, host="head")
    renewal = threading.Timer(0.5, left_by, [uri], {"host": "head"})
    renewal.start()
    with (
        pytest.raises(ValueError, match=r"run in use: got .* on head works on, heard of \d s ago"),
        claimed(str(tmp_path), resumed=True),
    ):
        pass


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_of_many_at_once_one_works(tmp_path: Path, scheme: str):
    got, refused = [], []
    ready, ended = threading.Barrier(8), threading.Event()

    def work() -> None:
        ready.wait()
        try:
            with claimed(f"{scheme}{tmp_path}/run"):
                got.append(1)
                ended.wait()
        except ValueError as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    give_up = time.monotonic() + 20
    while len(got) + len(refused) < 8 and time.monotonic() < give_up:
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_claim_is_renewed_and_whoever_lost_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(claim, "RENEWED_EVERY_S", 0.02)
    uri = str(tmp_path / CLAIM)

    def work() -> None:
        first = store.read_json(uri)["renewed"]
        wait_until(lambda: store.read_json(uri)["renewed"] > first)
        left_by(uri, host="elsewhere")
        time.sleep(20)

    with pytest.raises(KeyboardInterrupt), claimed(str(tmp_path)):
        work()
    assert "run taken over by process" in capsys.readouterr().out
    assert store.read_json(uri)["token"] == "other"
