"""Write down who was enrolled, removed and decided about, by whom and by which model."""

import json
import os
import sys
from datetime import datetime, timezone
from typing import Literal

Action = Literal["verify", "identify", "explain", "stream", "enrol", "rename", "remove"]


class Audit:
    """A file of JSON lines; neither audio nor embeddings go there.

    Several processes may write to one: each line is appended at once.

    Parameters
    ----------
    file : str or None
        A local path; None writes nothing.
    model : str
        Digest of what decides.

    Raises
    ------
    ValueError
        If it cannot be written.
    """

    def __init__(self, file: str | None, *, model: str) -> None:
        self._model = model
        self._descriptor: int | None = None
        if file is None:
            return
        try:
            os.makedirs(os.path.dirname(os.path.abspath(file)), exist_ok=True)
            self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise ValueError(
                f"no audit log: got {error.strerror}, expected a file that lines can be added to. At {file}. Correct "
                "audit, or set it to none."
            ) from error

    def write(self, who: str, action: Action, outcome: str, *, speaker: str | None = None) -> None:
        """Write a line.

        Parameters
        ----------
        who : str
            Name of the token.
        action : Action
        outcome : str
        speaker : str or None
            Who it was about, of those who are enrolled.
        """
        if self._descriptor is None:
            return
        line = {"at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "who": who, "action": action}
        line |= {"outcome": outcome, "model": self._model} | ({} if speaker is None else {"speaker": speaker})
        try:
            os.write(self._descriptor, f"{json.dumps(line)}\n".encode())
        except OSError as error:  # what was done is done
            print(
                f"warning: not written to the audit log, {error.strerror}: {json.dumps(line)}",
                file=sys.stderr,
                flush=True,
            )
