"""Enrol people, say who of them speaks in a recording, and look after who is enrolled."""

import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from avis import location
from avis.cli.arguments import STATUS, Json, Model, matching, named, verifier_of
from avis.cli.microphone import Record, check_one, recorded

if TYPE_CHECKING:
    import pyarrow as pa

    from avis.verifier import Gallery, Register

DEFAULT = os.path.join("outputs", "gallery")
Folder = Annotated[str, typer.Option("--gallery", help="Folder or URI of the gallery.")]
UsedModel = Annotated[
    str,
    typer.Option(
        "--model",
        help="Folder of a run or its verifier. [default: that of the gallery, or the newest run's]",
    ),
]
Name = Annotated[str, typer.Argument(help="Who is enrolled.")]

app = typer.Typer(no_args_is_help=True, help="Look after who is enrolled.", rich_markup_mode=None)


def enroll(
    name: Annotated[str, typer.Argument(help="Who speaks in the recordings.")],
    recordings: Annotated[list[str], typer.Argument(help="Paths, URIs or patterns such as 'anna/*.wav'.")],
    gallery: Folder = DEFAULT,
    model: UsedModel = "",
    consent: Annotated[str | None, typer.Option(help="Note of who agreed to what.")] = None,
    keep_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day on which they may be used.")
    ] = None,
    keep_audio: Annotated[
        bool, typer.Option("--keep-audio", help="Let a new gallery keep recordings, for another model to embed.")
    ] = False,
    all_of_them: Annotated[bool, typer.Option("--all", help="Take also what is short, noisy or of another voice.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """Enrol somebody with recordings; what would spoil later answers is refused, and named."""
    from avis.verifier import Gates

    opened = compared(gallery, model, keep_audio=keep_audio)
    made = opened.enroll(
        name,
        matching(recordings),
        consent=consent,
        keep_until=keep_until.date() if keep_until else None,
        gates=None if all_of_them else Gates(),
    )
    print(json.dumps(made.plain()) if as_json else f"{made}\n{gallery}")
    raise typer.Exit(0 if not made.refused else 2)


def identify(
    recording: Annotated[str, typer.Argument(help="A recording: a path or URI, or - for standard input.")] = "",
    record: Record = None,
    gallery: Folder = DEFAULT,
    model: UsedModel = "",
    most: Annotated[int, typer.Option(min=1, help="How many people are ranked.")] = 5,
    as_json: Json = False,
) -> None:
    """Say who of those enrolled speaks in a recording, if it is one of them."""
    check_one(recording, record)
    known = compared(gallery, model)
    found = known.identify(recorded(record) if record else named(recording), most=most)
    print(json.dumps(found.plain()) if as_json else found)
    raise typer.Exit(STATUS[found.outcome])


@app.command("list")
def list_people(gallery: Folder = DEFAULT, as_json: Json = False) -> None:
    """List who is enrolled, and until when."""
    _print(_opened(gallery).list(), as_json=as_json)


@app.command()
def remove(name: Name, gallery: Folder = DEFAULT) -> None:
    """Remove somebody with all that is kept of them."""
    print(f"{name} is removed, {_counted(_opened(gallery).remove(name))} in all")


@app.command()
def rename(name: Name, to: Annotated[str, typer.Argument(help="The new name.")], gallery: Folder = DEFAULT) -> None:
    """Give somebody another name."""
    _opened(gallery).rename(name, to)
    print(f"{name} is {to} now")


@app.command()
def merge(
    name: Name,
    into: Annotated[str, typer.Argument(help="The name that they are to be under, of somebody enrolled.")],
    gallery: Folder = DEFAULT,
) -> None:
    """Join the recordings of two names that are one person."""
    _opened(gallery).merge(name, into)
    print(f"{name} is {into} now")


@app.command()
def purge(gallery: Folder = DEFAULT, as_json: Json = False) -> None:
    """Remove the recordings that may be kept no longer, and list them."""
    _print(_opened(gallery).purge(), as_json=as_json)


@app.command()
def export(out: Annotated[str, typer.Option(help="The Parquet file to write.")], gallery: Folder = DEFAULT) -> None:
    """Write all that is kept into one file."""
    print(f"{_counted(_opened(gallery).export(out))}\n{out}")


@app.command()
def reembed(gallery: Folder = DEFAULT, model: Model = "") -> None:
    """Embed the recordings that are kept by another model, which is used from then on."""
    from avis.verifier import Gallery

    made = Gallery.reembed(gallery, verifier_of(model))
    print(f"{_counted(len(made.list()))} embedded by {made.verifier.path}")


def _opened(gallery: str) -> "Register":
    from avis.verifier import Register

    return Register.of(gallery)


def compared(gallery: str, model: str, *, keep_audio: bool = False) -> "Gallery":
    """Open a gallery with the model that is named, the one it was used with last, or the newest."""
    from avis.verifier import Gallery

    return Gallery.open(gallery, verifier_of(model or _used_with(gallery)), keep_audio=keep_audio)


def _used_with(gallery: str) -> str:
    """Return the model that people were last enrolled with, and say so; nothing where there is no gallery yet.

    Raises
    ------
    ValueError
        If it lies on another system than the gallery, which says what is fetched.
    """
    from avis.verifier import Gallery

    used = Gallery.used_with(gallery)
    if location.host(used) not in ("", location.host(gallery)):
        raise ValueError(
            f"model elsewhere: got {used} of the gallery, expected one on its own system. At {gallery}. If you trust "
            "it, name it with --model."
        )
    if used:
        print(f"model: {used}", file=sys.stderr)
    return used


def _print(recordings: "pa.Table", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"recordings": recordings.to_pylist()}, default=str))
        return
    people: dict[str, list[dict]] = {}
    for row in recordings.to_pylist():
        people.setdefault(row["speaker"], []).append(row)
    for name, rows in people.items():
        seconds, days = sum(row["speech_s"] for row in rows), [row["keep_until"] for row in rows if row["keep_until"]]
        until = f", until {min(days)}" if days else ""
        print(
            f"{name}: {_counted(len(rows))}, {seconds:.1f} s of speech, since {rows[0]['enrolled_at']:%Y-%m-%d}{until}"
        )
    print(f"{len(people)} enrolled", file=sys.stderr)


def _counted(num_recordings: int) -> str:
    return f"{num_recordings} recording{'' if num_recordings == 1 else 's'}"
