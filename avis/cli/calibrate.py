"""Calibrate a model on the voices that it is for."""

import contextlib
import json
import os
import sys
from typing import Annotated, NamedTuple

import typer

from avis import location
from avis.cli.arguments import STATUS, Json, Model, verifier_of
from avis.cli.gallery import compared


class Listed(NamedTuple):
    """A recording, and whose it is."""

    person: str
    session: str
    path: str


def calibrate(
    voices: Annotated[
        str,
        typer.Argument(
            help="A folder with a folder of recordings for each person (in it one for each session, if there are "
            "several), a text file of lines with person, tab and path, or a gallery."
        ),
    ],
    model: Model = "",
    p_target: Annotated[
        float | None, typer.Option(help="Share of comparisons in which it is the same person. [default: the model's]")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder to write the calibrated model to.")] = "",
    as_json: Json = False,
) -> None:
    """Calibrate a model on recordings of your own people, and say what to expect of it there."""
    from avis.metrics.operating_point import OperatingPoint
    from avis.verifier.folder import check_free, write_folder
    from avis.verifier.gallery.manifest import read_manifest
    from avis.verifier.own_voices.calibrate import calibrate as calibrated
    from avis.verifier.own_voices.recording import OwnRecording
    from avis.verifier.side_by_side import side_by_side

    if out:
        check_free(location.absolute(out))
    point = None if p_target is None else OperatingPoint(p_target)
    if not os.path.isfile(voices) and read_manifest(location.absolute(voices)) is not None:
        opened = compared(voices, model)
        verifier, recordings = opened.verifier, opened.own_recordings()
    else:
        listed = read_list(voices) if os.path.isfile(voices) else list_folder(voices)
        verifier, recordings = verifier_of(model), {}
        made = side_by_side(
            lambda each: OwnRecording.of(verifier, each.path, name=each.path, session=each.session), listed
        )
        with typer.progressbar(made, length=len(listed), file=sys.stderr) as progress:
            for each, recording in zip(listed, progress, strict=True):
                recordings.setdefault(each.person, []).append(recording)
    own = calibrated(verifier, recordings, operating_point=point)
    folder = location.absolute(out) if out and own.refusal is None else None
    if folder:
        write_folder(folder, own.calibrated(verifier).parts)
    print(json.dumps(own.plain() | {"folder": folder}) if as_json else own)
    if folder and not as_json:
        print(folder)
    raise typer.Exit(0 if own.refusal is None else STATUS["unsure"])


def list_folder(root: str) -> list[Listed]:
    """List the recordings of a folder; see `avis.corpora.folder.Folder`."""
    from avis.corpora.folder import Folder

    with contextlib.redirect_stdout(sys.stderr):
        rows = Folder(name="own", root=root, split="test").sources().select(["speaker", "session", "path"]).to_pylist()
    return [Listed(row["speaker"].removeprefix("own/"), row["session"], row["path"]) for row in rows]


def read_list(path: str) -> list[Listed]:
    """Read lines of person, tab and path, which is seen from the list's own folder.

    Raises
    ------
    ValueError
        If a line is another, or there is none.
    """
    from avis.corpora.files import NO_SESSION, read_text
    from avis.names import name

    listed = []
    for number, line in enumerate(read_text(path, expected="lines of person, tab and path").splitlines(), 1):
        person, tab, recording = line.partition("\t")
        if line.strip() and not (tab and name(person) and recording.strip()):
            raise ValueError(
                f"no person and path: got {line[:80]!r}, expected person, tab and path. At {path} line {number}. "
                "Correct it."
            )
        if line.strip():
            folder = location.parent(location.absolute(path))
            listed.append(Listed(name(person), NO_SESSION, location.join(folder, recording.strip())))
    if not listed:
        raise ValueError(f"nobody listed: got no line, expected person, tab and path. At {path}. Add recordings.")
    return listed
