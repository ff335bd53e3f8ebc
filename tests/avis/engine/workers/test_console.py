"""What a driver shows: how far a stage is, and what workers print."""

import json
import os
import pty
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from typing import Any

import pytest

from avis.engine.workers import console
from avis.engine.workers.console import WorkerLines, on_terminal, show_progress
from avis.structured_log import LOG


def lines_of_worker(*lines: str, pid: Any = 12, is_err: bool = False) -> dict[str, Any]:
    """Return lines as Ray's log monitor sends them."""
    return {"lines": list(lines), "pid": pid, "is_err": is_err, "actor_name": "RayTrainWorker", "ip": "10.0.0.1"}


def shown_on_terminal(act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is written to a terminal of 20 columns that takes the place of standard output."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "20")
        assert on_terminal()
        act()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        return b"".join(pieces(terminal)).decode().replace("\r\n", "\n")


def pieces(terminal: FileIO) -> Iterator[bytes]:
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := terminal.read(4096):
            yield piece


def test_a_stage_without_a_terminal_says_now_and_then_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.1)

    def slow() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.06)
            yield number

    assert list(show_progress(slow(), "prepare", 4, moving=False)) == [0, 1, 2, 3]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "prepare 2/4  left 0:00:00"
    assert said[-1].startswith("prepare 4/4  took 0:00:0")
    assert len(said) <= 3


def test_a_stage_on_a_terminal_is_a_bar_that_moves(monkeypatch: pytest.MonkeyPatch):
    shown = shown_on_terminal(lambda: list(show_progress(range(3), "p", 3, moving=True)), monkeypatch)
    assert re.search("p .*0%.*p .*100%", shown)


def test_lines_of_avis_come_plain_and_those_of_libraries_go_to_standard_error(capsys: pytest.CaptureFixture[str]):
    lines = WorkerLines()
    lines.show(lines_of_worker("epoch 1/2 train 4/4"))
    lines.show(lines_of_worker("[W] NCCL is slow", is_err=True))
    lines.show(lines_of_worker("a worker died", pid="raylet"))
    said = capsys.readouterr()
    assert said.out == "epoch 1/2 train 4/4\n"
    assert said.err == "(RayTrainWorker pid=12) [W] NCCL is slow\n(RayTrainWorker pid=raylet) a worker died\n"


def test_where_the_log_is_json_lines_of_workers_say_whose_they_are(capsys: pytest.CaptureFixture[str]):
    lines = WorkerLines()
    traced = ["Traceback (most recent call last):", '  File "x.py", line 1, in y', "KeyError: 'x'"]
    LOG.start("json")
    try:
        with lines.moving():
            lines.show(lines_of_worker("epoch 1/2 train 4/4"))
            lines.show(lines_of_worker(*traced, "Started training worker group", is_err=True))
    finally:
        LOG.stop()
    out, err = capsys.readouterr()
    [step], [failed, started] = ([json.loads(line) for line in text.splitlines()] for text in (out, err))
    for said in (step, failed, started):
        assert (said["worker"], said["pid"], said["node"]) == ("RayTrainWorker", "12", "10.0.0.1")
    assert (step["level"], step["message"]) == ("info", "epoch 1/2 train 4/4")
    assert (failed["level"], failed["message"]) == ("error", "\n".join(traced))
    assert started["level"] == "info", "libraries write all that they say to standard error"


def test_a_line_that_moves_gives_way_to_others_and_its_last_state_stays(monkeypatch: pytest.MonkeyPatch):
    lines, clear = WorkerLines(), "\r\x1b[K"

    def train() -> None:
        with lines.moving():
            lines.show(lines_of_worker("\rstep 1", "waited for data", "\rstep 2"))
        lines.show(lines_of_worker("\rtoo late"))

    assert shown_on_terminal(train, monkeypatch) == (
        f"{clear}step 1{clear}waited for data\n{clear}step 1{clear}step 2\n"
    )


def test_a_line_that_moves_fits_the_terminal(monkeypatch: pytest.MonkeyPatch):
    lines = WorkerLines()

    def train() -> None:
        with lines.moving():
            lines.show(lines_of_worker("\r" + "x" * 100))

    assert shown_on_terminal(train, monkeypatch) == "\r\x1b[K" + "x" * 19 + "\n"
