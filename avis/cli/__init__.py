"""The command `avis`: use a trained model on recordings, or make one.

Exit status: 0 a match, or done; 1 no match, or nobody who is enrolled; 2 an error, said in one message; 3 unsure, or
too little speech. Pipelines end as their scripts do: 0 done; 1 an error.
"""

import sys
import traceback
from typing import NoReturn

import typer

from avis.cli import calibrate, gallery, recordings
from avis.cli.pipelines import InGroups, add_pipelines

app = typer.Typer(cls=InGroups, add_completion=True, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
for command in (
    recordings.verify,
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
