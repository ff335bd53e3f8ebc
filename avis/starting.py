"""How a pipeline is started: by its script, or as a verb of the command `avis`, which hands over to that script."""

import os
import re
import shlex
import sys
from pathlib import Path

PIPELINES = Path(__file__).resolve().parents[1] / "pipelines"

BY_AVIS = "AVIS_HANDED_OVER"
"""Environment variable; set where the command `avis` has handed over to a script."""


VERBS = {"explain": "explain_trials"}
"""Verbs of pipelines that are not called as their scripts, since the command does something else under that name."""


def how_to_start(pipeline: str, *settings: str) -> str:
    """Return what to type to start a pipeline, in the way in which this one was started.

    Examples
    --------
    >>> os.environ[BY_AVIS] = "1"
    >>> how_to_start("compare", "runs=[a,b]")
    "avis compare 'runs=[a,b]'"
    >>> del os.environ[BY_AVIS]
    """
    script = os.path.join(os.path.dirname(sys.argv[0]), f"{pipeline}.py")
    typed = ["avis", VERBS.get(pipeline, pipeline)] if BY_AVIS in os.environ else ["python", script]
    return shlex.join([*typed, *settings])


def as_started(text: str) -> str:
    """Return a text whose examples start pipelines in the way in which this one was started."""
    if BY_AVIS not in os.environ:
        return text
    return re.sub(r"python pipelines/(\w+)\.py", lambda found: f"avis {VERBS.get(found[1], found[1])}", text)
