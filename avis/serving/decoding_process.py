"""The process that decodes: recordings come by standard input, samples go by standard output.

It may be killed by what it reads, and is not believed: what it says is JSON and numbers, never objects. A message is a
length of 8 bytes, and so many bytes. The first, an empty one, says that it is ready; to each recording there are two:
what was found, and float32 samples.
"""

import io
import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import GIVEN, decode

LENGTH = struct.Struct("<Q")
TOO_LARGE = "too_large"
"""A reason beside those of `avis.schema.REJECT_REASONS`."""


def write_message(stream: IO[bytes], data: bytes) -> None:
    """Write a message."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes], *, most: int) -> bytes:
    """Read a message.

    Raises
    ------
    EOFError
        If it is not whole, or of more bytes than ``most``.
    """
    header = stream.read(LENGTH.size)
    if len(header) < LENGTH.size or (length := LENGTH.unpack(header)[0]) > most:
        raise EOFError
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def main() -> None:
    """Decode until standard input ends; the first message is how."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    how = json.loads(read_message(source, most=1 << 20))
    _bound_memory(int(how["memory_mb"]) << 20)
    write_message(sink, b"")
    while True:
        try:
            data = read_message(source, most=1 << 40)
        except EOFError:
            return
        found, samples = decoded(data, how)
        write_message(sink, json.dumps(found).encode())
        write_message(sink, samples.tobytes())


def _bound_memory(num_bytes: int) -> None:
    """Take no more memory than now and so many bytes, where the system keeps to that."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + num_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def decoded(data: bytes, how: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """Decode a recording, and return what was found, and float32 ``[samples]``.

    Parameters
    ----------
    data : bytes
        What a file holds.
    how : dict
        ``sample_rate``, ``channel`` and ``min_duration_s`` as of `avis.audio.decode.decode`; ``audio_s`` and
        ``channels``, the most there may be of either.
    """
    try:
        _check_header(data, how)
        asked = {name: how[name] for name in ("sample_rate", "channel", "min_duration_s")}
        samples = decode(data, **asked)
        _check_length(len(samples) / how["sample_rate"], how)
    except AudioError as error:
        return {"reason": error.reason, "error": error.detail}, np.zeros(0, np.float32)
    except _TooLargeError as error:
        return {"reason": TOO_LARGE, "error": str(error)}, np.zeros(0, np.float32)
    except MemoryError:
        why = _too_large(f"one that takes more than {how['memory_mb']:g} MB of memory")
        return {"reason": TOO_LARGE, "error": why}, np.zeros(0, np.float32)
    return {}, samples.astype(np.float32, copy=False)


class _TooLargeError(Exception):
    pass


def _check_header(data: bytes, how: dict[str, Any]) -> None:
    """Refuse what says of itself that it is too large, before it is decoded."""
    try:
        about = sf.info(io.BytesIO(data))
    except (sf.LibsndfileError, TypeError, ValueError, OverflowError):
        return  # it is for the decoder to say
    if about.channels > how["channels"]:
        raise _TooLargeError(_too_large(f"{about.channels} channels", f"at most {how['channels']}"))
    if 0 < about.frames < 1 << 62 and about.samplerate:
        _check_length(about.frames / about.samplerate, how)


def _check_length(duration_s: float, how: dict[str, Any]) -> None:
    if duration_s > how["audio_s"]:
        raise _TooLargeError(_too_large(f"{duration_s:.1f} s", f"at most {how['audio_s']} s"))


def _too_large(found: str, expected: str = "one that is smaller") -> str:
    return f"recording too large: got {found}, expected {expected}. At {GIVEN}. Send a part of it."


if __name__ == "__main__":
    main()
