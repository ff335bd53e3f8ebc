"""The command `avis`: use a trained model on recordings, or make one.

Exit status: 0 a match, or done; 1 no match, or nobody who is enrolled; 2 an error, said in one message; 3 unsure, or
too little speech. Pipelines end as their scripts do: 0 done; 1 an error.
"""

import sys
import traceback
from typing import Any, NoReturn

import typer

from avis.cli import calibrate, explain, gallery, recordings
from avis.cli.pipelines import InGroups, add_pipelines

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Typer brings a click of its own, or takes the one that is installed."""

app = typer.Typer(cls=InGroups, add_completion=True, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
for command in (
    recordings.verify,
    explain.explain,
    gallery.enroll,
    gallery.identify,
    recordings.embed,
    calibrate.calibrate,
    recordings.card,
):
    app.command()(command)
app.add_typer(gallery.app, name="gallery")
add_pipelines(app)


def main() -> NoReturn:
    """Run the command; what a user can mend is said in one message."""
    try:
        raise SystemExit(_ended())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception:
        traceback.print_exc()
        print("a bug of AVIS, not a mistake of yours: please report it with the lines above.", file=sys.stderr)
    raise SystemExit(2)


def _ended() -> int:
    """Run the command and return its status; of a pipe that ends early typer makes 1, which means no match here."""
    try:
        return app(standalone_mode=False) or 0
    except USAGE_ERROR as error:
        error.show()
    except (typer.Abort, SystemExit) as error:
        if getattr(error, "code", 1) != 1:
            raise
        raise ValueError(
            "ended early: got an end of input or output, expected all of it. At a pipe. Repeat it."
        ) from error
    return 2
