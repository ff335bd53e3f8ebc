"""Decode recordings of strangers in a process that may die of one."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avis.audio.audio_error import AudioError
from avis.audio.decode import GIVEN
from avis.audio.recording import Hearing
from avis.schema import REJECT_REASONS
from avis.serving.decoding_process import read_message, write_message
from avis.serving.refusal import RefusedError
from avis.serving.settings import Limits

CHILD = "avis.serving.decoding_process"
TRIES = 2
"""The first death may be somebody else's doing."""
MOST_SAID = 1 << 20
SECRETS = ("RAY_", "AVIS_", "AWS_")
"""How variables begin that are not for a process that a stranger's recording may take over."""
SLACK_S = 1.0


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    overran: bool = False


class DecodingProcess:
    """A process that decodes, one recording at a time; another takes its place when it dies.

    Parameters
    ----------
    hearing : Hearing
    limits : Limits
    """

    def __init__(self, hearing: Hearing, limits: Limits) -> None:
        self._sample_rate, self._limits, self._lock = hearing.sample_rate, limits, threading.Lock()
        how = {name: getattr(hearing, name) for name in ("sample_rate", "channel", "min_duration_s")}
        how |= {"audio_s": limits.audio_s, "channels": limits.channels, "memory_mb": limits.decode_memory_mb}
        self._how = json.dumps(how).encode()
        self._child = self._started()

    @property
    def pid(self) -> int:
        """Of the process as it is now."""
        return self._child.process.pid

    def samples(self, data: bytes) -> NDArray[np.float32]:
        """Decode what a file holds to float32 ``[samples]`` at the model's rate; see `avis.audio.decode.decode`.

        Raises
        ------
        AudioError
            If it cannot be used, or kills the decoder.
        RefusedError
            If it is too large, or takes too long.
        """
        with self._lock:
            for left in reversed(range(TRIES)):
                try:
                    return self._asked(data)
                except AudioError:
                    raise
                except (EOFError, OSError, ValueError) as error:
                    overran = self._child.overran
                    self._replace()
                    if overran:
                        raise _overran(self._limits.decode_s) from error
                    if not left:
                        raise AudioError("crashes_decoder", _deadly()) from error
        raise AssertionError("a try returns or raises")

    def close(self) -> None:
        """End the process."""
        self._child.process.kill()
        self._child.process.communicate()

    def _asked(self, data: bytes) -> NDArray[np.float32]:
        child = self._child
        child.overran = False
        assert child.process.stdin is not None and child.process.stdout is not None  # noqa: PT018
        watch = threading.Timer(self._limits.decode_s, _end, [child])
        watch.start()
        try:
            write_message(child.process.stdin, data)
            found = json.loads(read_message(child.process.stdout, most=MOST_SAID))
            most = 4 * round((self._limits.audio_s + SLACK_S) * self._sample_rate)
            samples = np.frombuffer(read_message(child.process.stdout, most=most), np.float32)
        finally:
            watch.cancel()
        if not found:
            return samples
        if found["reason"] in REJECT_REASONS:
            raise AudioError(found["reason"], str(found["error"]))
        raise RefusedError(413, str(found["error"]))

    def _started(self) -> _Child:
        bare = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=bare
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018
        write_message(process.stdin, self._how)
        read_message(process.stdout, most=0)
        return _Child(process)

    def _replace(self) -> None:
        self.close()
        self._child = self._started()


def _end(child: _Child) -> None:
    child.overran = True
    child.process.kill()


def _overran(within_s: float) -> RefusedError:
    return RefusedError(
        422,
        f"recording takes too long to decode: got more than {within_s} s, expected less. At {GIVEN}. Send a part of "
        "it, or convert it to WAV.",
    )


def _deadly() -> str:
    return (
        f"recording kills its decoder: got {TRIES} that died of it, expected samples. At {GIVEN}. It is damaged, or "
        "made to harm: fetch it again, or convert it to WAV."
    )
