"""What the commands share: how a model and recordings are named, and what an outcome is as exit status."""

import glob
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from avis import location
from avis.run_folder import VERIFIER

if TYPE_CHECKING:
    from avis.verifier import Verifier

RUNS = os.path.join("outputs", "runs")
STATUS = {"match": 0, "no_match": 1, "not_enrolled": 1, "unsure": 3, "not_heard": 3}
NO_MODEL = (
    f"no model: got no {RUNS}/<run>/{VERIFIER} here, expected one, as a training leaves it. "
    "Train one (avis train run=demo),\n"
    "import a published one (avis import_checkpoint --help), or name another's folder with --model."
)

Model = Annotated[
    str, typer.Option(help="Folder of a run or its verifier, or a checkpoint. [default: the newest run's]")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


def matching(recordings: list[str]) -> list[str]:
    """Return paths and URIs, and in place of patterns the files that match them; each once.

    An existing file is itself, whatever its name looks like.
    """
    paths: list[str] = []
    for given in recordings:
        if os.path.exists(given) or not glob.has_magic(given) or location.is_uri(given):
            paths.append(given)
        elif found := sorted(glob.glob(given, recursive=True)):
            paths += found
        else:
            raise ValueError(f"no recording: got no file that matches {given}, expected some. At {given}. Correct it.")
    return list(dict.fromkeys(paths))


def listed(file: str) -> list[str]:
    """Read a text of paths and URIs, one per line; paths are relative to its folder."""
    try:
        lines = location.read_bytes(location.absolute(file)).decode("utf-8-sig").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ValueError(
            f"no list: got {error}, expected a text with a path per line. At {file}. Correct it."
        ) from error
    return [location.join(location.parent(file), line.strip()) for line in lines if line.strip()]


def named(recording: str) -> str | bytes:
    """Return a path or URI as it is, and for ``-`` what comes by standard input."""
    if recording != "-":
        folder = os.path.dirname(recording)
        if folder and not location.is_uri(recording) and not os.path.isdir(folder):
            raise ValueError(
                f"no such folder: got {folder}, expected that of a recording. At {recording}. Correct the path."
            )
        return recording
    if sys.stdin is None:
        raise ValueError("no standard input: got it closed, expected a recording. At -. Give a path.")
    return sys.stdin.buffer.read()


def verifier_of(model: str) -> "Verifier":
    """Load the model that is named, or the newest run's, which is said."""
    from avis.verifier import Verifier

    if not model:
        found = glob.glob(os.path.join(RUNS, "*", VERIFIER, "config.json"))
        if not found:
            raise ValueError(NO_MODEL)
        model = os.path.dirname(max(found, key=os.path.getmtime))
        print(f"model: {model}", file=sys.stderr)
    return Verifier.load(model)
