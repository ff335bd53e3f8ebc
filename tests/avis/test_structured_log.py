"""What a process prints, as JSON: every line an object, and no text lost."""

import io
import json
import logging
import random
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from avis.structured_log import StructuredLog


class Console:
    """Stands in for the two streams of a process, which pytest takes back between a fixture and its test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self.log = patch, StructuredLog()
        self.out, self.err = io.StringIO(), io.StringIO()

    def start(self, form: str = "json") -> StructuredLog:
        """Take the streams; return a log that writes to them in a form."""
        self._patch.setattr(sys, "stdout", self.out)
        self._patch.setattr(sys, "stderr", self.err)
        self.log.start(form)
        return self.log

    def said(self, stream: str = "out") -> list[dict[str, Any]]:
        """Return the objects that were written to a stream."""
        text = getattr(self, stream).getvalue()
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def messages(self, stream: str = "out") -> list[str]:
        return [said["message"] for said in self.said(stream)]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    console = Console(monkeypatch)
    yield console
    console.log.stop()


def test_a_line_is_an_object_with_what_it_is_filtered_by(console: Console):
    log = console.start()
    print("listing corpus synthetic")
    log.run, log.stage = "first", "train"
    print("epoch 1/2 train 4/4  loss 24.09")
    before, of_run = console.said()
    assert list(of_run) == ["time", "level", "run", "stage", "message"]
    assert (before["run"], before["stage"]) == (None, None)
    assert (of_run["run"], of_run["stage"]) == ("first", "train")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", of_run["time"])
    since = datetime.now(timezone.utc) - datetime.fromisoformat(of_run["time"].replace("Z", "+00:00"))
    assert timedelta(milliseconds=-1) < since < timedelta(minutes=1)


ALPHABET = [
    "a",
    "ä",
    "語",
    "🙂",
    "\udc80",
    " ",
    "\t",
    "\x00",
    "\x0c",
    "\x85",
    "\u2028",
    '"',
    "\\",
    "{",
    "\n",
    "\n",
    "\n\n",
]


@pytest.mark.parametrize("seed", range(20))
def test_the_messages_are_the_lines_however_they_were_cut(console: Console, seed: int):
    log = console.start()
    draw = random.Random(seed)
    pieces = ["".join(draw.choices(ALPHABET, k=draw.randrange(12))) for _ in range(60)]
    for piece in pieces:
        sys.stdout.write(piece)
        if draw.random() < 0.2:
            sys.stdout.flush()
    log.stop()
    printed = "".join(pieces).encode(errors="backslashreplace").decode()
    assert console.messages() == [line for line in printed.split("\n") if line.strip()]


def test_what_is_begun_waits_for_its_end(console: Console):
    log = console.start()
    print("one ", end="", flush=True)
    assert console.messages() == []
    print("line")
    assert console.messages() == ["one line"]
    print("without an end", end="")
    log.stop()
    assert console.messages() == ["one line", "without an end"]
    assert sys.stdout is console.out


def test_threads_do_not_break_each_others_lines(console: Console):
    console.start()

    def say(name: str) -> None:
        for number in range(200):
            print(name, number, "of", 200)

    threads = [threading.Thread(target=say, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(console.messages()) == sorted(f"{name} {number} of 200" for name in "ab" for number in range(200))


@pytest.mark.parametrize("written", [b"bytes \xff", 3.5, None, ["a"]])
def test_what_is_no_text_is_written_too(console: Console, written: Any):
    console.start()
    sys.stdout.write(written)
    print()
    assert console.messages() == ["bytes \\xff" if isinstance(written, bytes) else str(written)]


def test_of_a_line_that_is_redrawn_the_last_state_stays_without_colours(console: Console):
    console.start()
    assert not sys.stdout.isatty()
    for percent in range(0, 101, 10):
        sys.stdout.write(f"\r\x1b[36mfetched {percent}%\x1b[0m")
    sys.stdout.write("\r\n\x1b]8;;https://example.com\x1b\\a link\x1b]8;;\x1b\\\r\n")
    assert console.messages() == ["fetched 100%", "a link"]


@pytest.mark.parametrize(
    ("stream", "line", "level"),
    [
        ("out", "epoch 1/2 val  eer 0.4", "info"),
        ("out", "warning: 3 of 8 calibration trials are left out", "warning"),
        ("out", "synthetic: warning: Not told from chance", "warning"),
        ("err", "No such file or directory: got missing.csv", "error"),
        ("err", "warning: SLURM_PROCID=1: whoever starts AVIS several times gets as many runs", "warning"),
        ("err", "/x/y.py:3: UserWarning: the sky is low", "warning"),
        ("err", "2026-11-27 21:00:00,123\tINFO worker.py:1234 -- Connecting to existing Ray cluster", "info"),
        ("err", "2026-11-27 21:00:00,123\tWARNING utils.py:12 -- low on memory", "warning"),
        ("err", "[2026-11-27 21:00:00,123 I 12 34] core_worker.cc:5: a message", "info"),
        ("err", "[2026-11-27 21:00:00,123 W 12 34] core_worker.cc:5: a message", "warning"),
        ("err", "[2026-11-27 21:00:00,123 E 12 34] core_worker.cc:5: a message", "error"),
    ],
)
def test_a_level_is_what_the_line_says_or_else_its_streams(console: Console, stream: str, line: str, level: str):
    console.start()
    print(line, file=getattr(sys, f"std{stream}"))
    assert [(said["level"], said["message"]) for said in console.said(stream)] == [(level, line)]


def failing() -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        raise ValueError("it failed") from error


def test_a_traceback_is_one_message_wherever_it_comes_from(console: Console):
    log = console.start()
    try:
        failing()
    except ValueError as error:
        logger, handler = logging.getLogger("avis.tests.structured_log"), logging.StreamHandler()
        logger.addHandler(handler)
        logger.propagate = False
        logger.exception("logged")
        logger.removeHandler(handler)
        with log.as_one("error"):
            traceback.print_exception(error)
        whole = traceback.format_exc().rstrip("\n")
    assert console.messages("err") == ["logged", whole, whole]
    assert {said["level"] for said in console.said("err")} == {"error"}


def test_one_that_comes_line_by_line_is_held_until_it_has_named_its_error(console: Console):
    console.start()
    for line in ("Exception in thread A:", "Traceback (most recent call last):", '  File "x.py", line 1, in y'):
        print(line, file=sys.stderr)
    assert console.messages("err") == ["Exception in thread A:"]
    print("KeyError: 'x'", file=sys.stderr)
    print("next", file=sys.stderr)
    print("Traceback (most recent call last):\n  File", file=sys.stderr, flush=True)
    [traced, after, cut] = console.messages("err")[1:]
    assert traced == "Traceback (most recent call last):\n  File \"x.py\", line 1, in y\nKeyError: 'x'"
    assert (after, cut) == ("next", "Traceback (most recent call last):\n  File")


def test_what_is_said_as_one_has_all_its_lines_and_a_level(console: Console):
    log = console.start()
    with log.as_one("warning"):
        print("stopped: what is finished is kept.", file=sys.stderr, flush=True)
        print("Go on with: python pipelines/train.py resume=first", file=sys.stderr)
    [said] = console.said("err")
    assert said["level"] == "warning"
    assert said["message"].count("\n") == 1


def test_a_line_may_be_somebody_elses(console: Console):
    log = console.start()
    with log.said_by(worker="RayTrainWorker", pid="12", node="10.0.0.1"):
        print("epoch 1/2")
    print("mine")
    theirs, mine = console.said()
    assert (theirs["worker"], theirs["pid"], theirs["node"]) == ("RayTrainWorker", "12", "10.0.0.1")
    assert "worker" not in mine


def test_lines_of_another_run_are_passed_on(console: Console):
    log = console.start()
    own = {"time": "2026-11-27T21:27:06.101Z", "level": "error", "run": None, "stage": None, "message": "ä"}
    log.pass_on(json.dumps(own) + "\n", run="b")
    log.pass_on(json.dumps({**own, "run": "of its own", "stage": "train"}) + "\n", run="b")
    others = ["Fatal Python error: Aborted", '{"loss": 1}', "3", "[" * 100_000]
    for line in others:
        log.pass_on(f"{line}\n", run="b")
    first, second, *marked = console.said()
    assert first == {**own, "run": "b"}
    assert second == {**own, "run": "of its own", "stage": "train"}
    assert [(said["run"], said["message"]) for said in marked] == [("b", line) for line in others]


def test_text_stays_as_it_is(console: Console):
    log = console.start("text")
    log.start_as_typed(["log=json", "log=text"])
    with log.as_one("error"), log.said_by(worker="a"):
        print("one\rtwo", end="")
    assert console.out.getvalue() == "one\rtwo"
    assert not log.is_json


def test_a_command_line_that_is_wrong_otherwise_asks_for_json_too(console: Console):
    log = console.start("text")
    log.start_as_typed(["modle=x", "log=json"])
    assert log.is_json
    log.stop()
    assert not log.is_json


def test_another_form_is_refused():
    with pytest.raises(ValueError, match=r"^wrong value: got 'xml', expected one of text, json. At log\."):
        StructuredLog().start("xml")


def test_a_warning_of_python_has_its_line_of_code(console: Console):
    console.start()
    warned = warnings.formatwarning("the sky is low", UserWarning, "x.py", 3, line="look()")
    sys.stderr.write(warned)
    [said] = console.said("err")
    assert said["level"] == "warning"
    assert said["message"] == warned.rstrip()
