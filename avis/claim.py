"""Claim a folder for one process at a time, wherever it lies.

The claim is a file in the folder that says who works there, and is renewed as long as that lives. On a local or network
file system it is made by one atomic link, so that of two processes one gets it. Object stores have no such thing here:
there, and where a claim is taken over from the dead, each writes its own, waits, and the last one stays; two would both
get it only if one of them took longer than the wait from its look to its write. Who finds the claim in other hands
later is told.

Clocks of machines may differ, by hours where one was never set. So how old a claim is, the storage says, whose clock
times what is written by anybody.
"""

import contextlib
import functools
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from avis import location
from avis.whole_file import UNFINISHED, delete_file, read_json, write_json

CLAIM = "claim.json"
RENEWED_EVERY_S = 20.0
BELIEVED_S = 120.0
"""After its last renewal, a claim from another machine, whose processes cannot be seen from here."""
SETTLES_S = 2.0
POLLED_EVERY_S, SILENT_EVERY_S = 0.1, 1.0
RELEASE_S = 5.0
"""Waited at most for a renewal that is under way when the work ends."""


@contextmanager
def claimed(
    folder: str,
    *,
    what: str,
    else_do: str = "",
    wait_s: float = 0.0,
    outlast: Callable[[Mapping[str, Any]], None] | None = None,
    lost: Callable[[Mapping[str, Any]], None],
) -> Iterator[None]:
    """Work in a folder alone.

    Parameters
    ----------
    folder : str
        Local path or URI; it need not be there.
    what : str
        What it is, for errors.
    else_do : str
        What may be done but wait, for errors.
    wait_s : float
        How long to wait for another process.
    outlast : callable or None
        Called with who has the claim, and for how long it was ``silent_s``, if that is on another machine and may be
        gone; it is then waited until that process is heard of, or no longer believed. None refuses at once.
    lost : callable
        Called by another thread with who has taken the claim over.

    Raises
    ------
    ValueError
        If another process works there.
    """
    uri, own = location.join(folder, CLAIM), {**_this_process(), "token": uuid.uuid4().hex}
    give_up, waited_for = time.monotonic() + wait_s, None
    while holder := _take(uri, own):
        if outlast and waited_for is None and _is_elsewhere(holder):
            waited_for = holder["renewed"]
            outlast({**holder, "silent_s": _silent_s(uri, holder)})
        is_silent = holder["renewed"] == waited_for
        if not is_silent and time.monotonic() >= give_up:
            raise _in_use(holder, uri, what, else_do)
        time.sleep(SILENT_EVERY_S if is_silent else POLLED_EVERY_S)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(uri, own, ended, lost), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join(RELEASE_S)
        _release(uri, own)


def _take(uri: str, own: dict[str, Any]) -> Mapping[str, Any] | None:
    """Take the claim, or return who has it."""
    claim = {**own, "renewed": time.time()}
    if not location.is_uri(uri) and _create(uri, claim):
        return None
    holder = _read(uri)
    if holder is not None and _lives(uri, holder):
        return holder
    write_json(uri, claim)
    time.sleep(SETTLES_S)
    there = _read(uri)
    if there is None:  # another process has released it, or is just replacing it where that is no single step
        return _take(uri, own)
    return None if there["token"] == own["token"] else there


def _create(path: str, claim: dict[str, Any]) -> bool:
    """Make the file unless it is there, and tell whether that was so; not so either where there are no links."""
    made = f"{path}.{claim['token']}{UNFINISHED}"
    write_json(made, claim)
    try:
        os.link(made, path)
    except OSError:
        return False
    finally:
        os.unlink(made)
    return True


def _read(uri: str) -> dict[str, Any] | None:
    try:
        return read_json(uri)
    except FileNotFoundError:
        return None


def _silent_s(uri: str, holder: Mapping[str, Any]) -> float:
    """Return the seconds since a claim was renewed; by this machine's clock if the storage tells no times."""
    written = location.join(location.parent(uri), f"{CLAIM}.{uuid.uuid4().hex}{UNFINISHED}")
    write_json(written, {})
    try:
        now, then = (location.look_up(path).mtime for path in (written, uri))
    finally:
        delete_file(written)
    return max(0.0, (now - then).total_seconds() if now and then else time.time() - holder["renewed"])


def _in_use(holder: Mapping[str, Any], uri: str, what: str, else_do: str) -> ValueError:
    return ValueError(
        f"{what} in use: got a {what} that process {holder['pid']} on {holder['host']} works on, heard of "
        f"{_silent_s(uri, holder):.0f} s ago, expected one that nobody does. At {uri}. Wait until "
        f"it ends{else_do}. If that process is gone, wait until it was not heard of for {BELIEVED_S:.0f} s, or delete "
        "this file."
    )


def _is_elsewhere(holder: Mapping[str, Any]) -> bool:
    """Return whether a process cannot be seen from here."""
    this = _this_process()
    return any(holder[key] != this[key] for key in ("host", "boot", "pid_namespace"))


def _lives(uri: str, holder: Mapping[str, Any]) -> bool:
    if _is_elsewhere(holder):
        return _silent_s(uri, holder) < BELIEVED_S
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return _started(holder["pid"]) in (holder["started"], None)


@functools.cache
def _this_process() -> dict[str, Any]:
    """Return what tells this process from all others; a number does within a namespace of a boot of a host."""
    boot = namespace = None
    with contextlib.suppress(OSError):  # not on Linux
        boot = location.read_bytes("/proc/sys/kernel/random/boot_id").decode().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "boot": boot,
        "pid_namespace": namespace,
        "pid": pid,
        "started": _started(pid),
    }


def _started(pid: int) -> int | None:
    """Return when a process was started, in ticks since the boot; None where that is not told."""
    try:
        return int(location.read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19])
    except OSError:
        return None


def _renew(uri: str, own: dict[str, Any], ended: threading.Event, lost: Callable[[Mapping[str, Any]], None]) -> None:
    while not ended.wait(RENEWED_EVERY_S):
        with contextlib.suppress(OSError):  # unreachable: until it is again, the claim grows older
            there = _read(uri)
            if there is not None and there["token"] != own["token"]:
                lost(there)
                return
            write_json(uri, {**own, "renewed": time.time()})


def _release(uri: str, own: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        there = _read(uri)
        if there is not None and there["token"] == own["token"]:
            delete_file(uri)
