"""The command `avis`: use a trained model on recordings.

Exit status: 0 a match, or done; 1 no match; 2 an error, said in one message; 3 unsure, or too little speech.
"""

import glob
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from avis import location
from avis.run_folder import VERIFIER

if TYPE_CHECKING:
    from avis.verifier import Verifier

RUNS = os.path.join("outputs", "runs")
STATUS = {"match": 0, "no_match": 1, "unsure": 3, "not_heard": 3}
NO_MODEL = (
    f"no model: got no {RUNS}/<run>/{VERIFIER} here, expected one, as a training leaves it. "
    "Train one (python pipelines/train.py run=demo), or name another's folder with --model."
)

app = typer.Typer(add_completion=True, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
Model = Annotated[
    str, typer.Option(help="Folder of a run or its verifier, or a checkpoint. [default: the newest run's]")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


@app.command()
def verify(
    first: Annotated[str, typer.Argument(help="A recording: a path or URI, or - for standard input.")],
    second: Annotated[str, typer.Argument(help="The recording to compare it with.")],
    model: Model = "",
    as_json: Json = False,
) -> None:
    """Say whether one person speaks in two recordings, and how sure that is."""
    if first == second == "-":
        raise ValueError("one standard input: got - twice, expected it once. At the recordings. Give a path for one.")
    verdict = _verifier(model).verify(*(_standard_input() if source == "-" else source for source in (first, second)))
    print(json.dumps(verdict.plain()) if as_json else verdict)
    raise typer.Exit(STATUS[verdict.outcome])


@app.command()
def embed(
    recordings: Annotated[list[str], typer.Argument(help="Paths, URIs or patterns such as 'calls/*.wav'.")],
    out: Annotated[str, typer.Option(help="The file to write: .npz or .parquet.")],
    model: Model = "",
) -> None:
    """Write the embedding of each recording; what cannot be used is named."""
    from avis.verifier.embedding_file import check_suffix, write_embedding_file

    check_suffix(out)
    paths = list(dict.fromkeys(path for given in recordings for path in _matching(given)))
    with typer.progressbar(_verifier(model).embed_files(paths), length=len(paths), file=sys.stderr) as made:
        voiceprints = dict(made)
    kept, left_out = write_embedding_file(out, voiceprints)
    for path, why in left_out.items():
        print(f"{path}: {why}", file=sys.stderr)
    print(f"{kept} of {len(paths)} recordings embedded\n{out}")
    raise typer.Exit(0 if not left_out else 2)


@app.command()
def card(model: Model = "") -> None:
    """Print what a model was trained on, how well it does, and where it ends."""
    from avis.verifier.card import card as written

    parts = _verifier(model).parts
    print(written(parts.config, parts.calibration.facts() if parts.calibration else None), end="")


def _matching(given: str) -> list[str]:
    """Return the files of a pattern; an existing file is itself, whatever its name looks like."""
    if os.path.exists(given) or not glob.has_magic(given) or location.is_uri(given):
        return [given]
    found = sorted(glob.glob(given, recursive=True))
    if not found:
        raise ValueError(f"no recording: got no file that matches {given}, expected some. At {given}. Correct it.")
    return found


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise ValueError("no standard input: got it closed, expected a recording. At -. Give a path.")
    return sys.stdin.buffer.read()


def _verifier(model: str) -> "Verifier":
    from avis.verifier import Verifier

    if not model:
        found = glob.glob(os.path.join(RUNS, "*", VERIFIER, "config.json"))
        if not found:
            raise ValueError(NO_MODEL)
        model = os.path.dirname(max(found, key=os.path.getmtime))
        print(f"model: {model}", file=sys.stderr)
    return Verifier.load(model)


def main() -> NoReturn:
    """Run the command; what a user can mend is said in one message."""
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception:
        traceback.print_exc()
        print("a bug of AVIS, not a mistake of yours: please report it with the lines above.", file=sys.stderr)
    raise SystemExit(2)
