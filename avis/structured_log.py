"""Write what this process prints as JSON, one object a line, for what collects the logs of many runs.

Python's own streams are taken; what C code writes to a file descriptor itself stays as it is.
"""

import atexit
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Literal, TextIO, get_args

Form = Literal["text", "json"]
"""What the setting ``log`` may be."""

TRACEBACK = r"Traceback \(most recent call last\):\n(?: .*\n)*"
"""Of which the line that names the error is still to come."""

MESSAGE = re.compile(
    rf"{TRACEBACK}(?:\S.*\n(?:\n(?:During handling|The above exception).*\n\n{TRACEBACK}\S.*\n)*)?"
    r"|.*:\d+: \w*Warning: .*\n(?:  .*\n)?"  # with the line of code that warned
    r"|.*\n|.+"
)
UNFINISHED = re.compile(rf"{TRACEBACK}.*\Z")

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
"""Colours, links and the like of a terminal."""

WARNS = re.compile(r".*(?:\bwarning: |\bWARN(?:ING)?\b|Warning: |^\[\S+ \S+ W )")
INFORMS = re.compile(r".*(?:\b(?:INFO|DEBUG)\b|^\[\S+ \S+ [ID] )")
FAILS = re.compile(r".*(?:\b(?:ERROR|CRITICAL|FATAL)\b|(?:Error|Exception): |Traceback |^\[\S+ \S+ [EF] )")
"""How AVIS words a warning, and how libraries say what a line is: by a word, or as Ray's core by a letter."""


class _Here(threading.local):
    """What a thread prints at the moment: of which worker, and whether as one message of some level."""

    def __init__(self) -> None:
        self.origin: dict[str, Any] = {}
        self.one: str | None = None


class _JsonStream:
    """Takes the place of a stream: what is printed comes to it as an object for each line.

    A line is each thread's own until it ends. A traceback is one message, as far as it comes in one piece or without
    a flush.
    """

    def __init__(self, stream: TextIO, log: "StructuredLog", *, is_err: bool) -> None:
        self.stream, self._log, self._is_err = stream, log, is_err
        self._begun: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        """Return False: nothing is to be redrawn."""
        return False

    def write(self, text: Any) -> int:
        """Take a piece of text, or of anything else."""
        text = text.decode(errors="backslashreplace") if isinstance(text, bytes | bytearray) else str(text)
        thread = threading.get_ident()
        said = self._begun.pop(thread, "") + text
        if self._log.here.one is None and not UNFINISHED.search(said):
            ended, newline, said = said.rpartition("\n")
            self._put(ended + newline)
            said = said[said.rfind("\r", 0, -1) + 1 :]  # a line that is drawn again
        if said:
            self._begun[thread] = said
        return len(text)

    def writelines(self, texts: Any) -> None:
        """Take several pieces."""
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        """Let go of an unfinished traceback; the beginning of a line waits for its end."""
        if self._log.here.one is None:
            ended, newline, begun = self._begun.pop(threading.get_ident(), "").rpartition("\n")
            self._put(ended + newline)
            self.write(begun)
        self.stream.flush()

    def release(self) -> None:
        """Put what this thread has printed as one message."""
        if message := self._begun.pop(threading.get_ident(), "").rstrip("\n"):
            self._log.put(message, self.stream, is_err=self._is_err)

    def finish(self) -> None:
        """Put the beginnings of lines that nobody has ended."""
        for begun in (self._begun.pop(thread) for thread in [*self._begun]):
            self._put(begun)

    def _put(self, text: str) -> None:
        for message in MESSAGE.findall(text):
            self._log.put(message.removesuffix("\n"), self.stream, is_err=self._is_err)


class StructuredLog:
    """What is known of the lines that this process prints, and their form: as they are, or as JSON.

    Attributes
    ----------
    run : str or None
        Name of the run, once it is open.
    stage : str or None
        The stage that was begun last.
    """

    def __init__(self) -> None:
        self.run: str | None = None
        self.stage: str | None = None
        self.here = _Here()

    @property
    def is_json(self) -> bool:
        """Whether lines are written as JSON."""
        return isinstance(sys.stdout, _JsonStream)

    def start(self, form: str) -> None:
        """Write in a form from now on; what was begun as JSON stays so.

        Raises
        ------
        ValueError
            If there is no such form.
        """
        if form not in get_args(Form):
            raise ValueError(
                f"wrong value: got {form!r}, expected one of {', '.join(get_args(Form))}. At log. Correct the value."
            )
        if form == "text" or self.is_json:
            return
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            stream.flush()
            setattr(sys, name, _JsonStream(stream, self, is_err=name == "stderr"))
        atexit.register(self.stop)

    def start_as_typed(self, arguments: list[str]) -> None:
        """Write JSON from now on if the settings of a command line say so, which may be wrong otherwise."""
        forms = [argument for argument in arguments if argument.startswith("log=")]
        if forms[-1:] == ["log=json"]:
            self.start("json")

    def stop(self) -> None:
        """Write what is left, and give the streams back."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _JsonStream):
                stream.finish()
                setattr(sys, name, stream.stream)
        atexit.unregister(self.stop)

    @contextmanager
    def as_one(self, level: str) -> Iterator[None]:
        """Take what is printed within as one message of a level, ``info``, ``warning`` or ``error``."""
        self.here.one = level
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, _JsonStream):
                    stream.release()
            self.here.one = None

    @contextmanager
    def said_by(self, **origin: Any) -> Iterator[None]:
        """Say of what is printed within where it comes from, ``run`` in place of this process's own included."""
        before, self.here.origin = self.here.origin, origin
        try:
            yield
        finally:
            self.here.origin = before

    def pass_on(self, line: str, run: str) -> None:
        """Print a line of the process of a run: as it is if it is JSON that says so much, else as of that run."""
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and said.keys() >= {"time", "run", "message"} and isinstance(sys.stdout, _JsonStream):
            _write({**said, "run": said["run"] or run}, sys.stdout.stream)
        else:
            with self.said_by(run=run):
                print(line.removesuffix("\n"), flush=True)

    def put(self, message: str, stream: TextIO, *, is_err: bool) -> None:
        """Write a message to a stream, unless it is blank."""
        lines = ESCAPES.sub("", message).encode(errors="backslashreplace").decode().split("\n")
        shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        if not shown.strip():
            return
        about = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": self.here.one or self._level(shown, is_err=is_err),
            "run": self.run,
            "stage": self.stage,
        }
        _write({**about, **self.here.origin, "message": shown}, stream)

    def _level(self, message: str, *, is_err: bool) -> str:
        """Return a level: AVIS writes its errors alone to standard error, libraries on workers all that they say."""
        if WARNS.match(message):
            return "warning"
        is_worker = "worker" in self.here.origin
        fails = is_err and (FAILS.match(message) if is_worker else not INFORMS.match(message))
        return "error" if fails else "info"


def _write(said: dict[str, Any], stream: TextIO) -> None:
    stream.write(json.dumps(said, default=str) + "\n")
    stream.flush()


LOG = StructuredLog()
"""Of this process."""
