"""Compare and embed recordings, and say what the model is that does so."""

import json
import sys
from typing import Annotated

import typer

from avis.cli.arguments import STATUS, Json, Model, listed, matching, named, verifier_of
from avis.cli.microphone import Record, check_one, recorded


def verify(
    first: Annotated[str, typer.Argument(help="A recording: a path or URI, or - for standard input.")],
    second: Annotated[str, typer.Argument(help="The recording to compare it with.")] = "",
    record: Record = None,
    model: Model = "",
    as_json: Json = False,
) -> None:
    """Say whether one person speaks in two recordings, and how sure that is."""
    if first == second == "-":
        raise ValueError("one standard input: got - twice, expected it once. At the recordings. Give a path for one.")
    check_one(second, record)
    verifier = verifier_of(model)
    enrolled = verifier.embed(named(first))  # what is wrong with it is said before anyone is asked to speak
    verdict = verifier.verify(enrolled, recorded(record) if record else named(second))
    print(json.dumps(verdict.plain()) if as_json else verdict)
    raise typer.Exit(STATUS[verdict.outcome])


def embed(
    out: Annotated[str, typer.Option(help="The file to write: .npz, .parquet, .csv, or Kaldi's .ark with an .scp.")],
    recordings: Annotated[
        list[str] | None, typer.Argument(help="Paths, URIs or patterns such as 'calls/*.wav'.")
    ] = None,
    list_of_them: Annotated[
        str, typer.Option("--list", help="A text of paths, one per line, relative to its folder.")
    ] = "",
    model: Model = "",
) -> None:
    """Write the embedding of each recording; what cannot be used is named."""
    from avis.verifier.embedding_file import check_embedding_file, write_embedding_file

    paths = list(dict.fromkeys(matching(recordings or []) + (listed(list_of_them) if list_of_them else [])))
    if not paths:
        raise ValueError("no recordings: got none, expected some. At the command line. Give paths, or --list.")
    check_embedding_file(out, paths)
    with typer.progressbar(verifier_of(model).embed_files(paths), length=len(paths), file=sys.stderr) as made:
        voiceprints = dict(made)
    kept, left_out = write_embedding_file(out, voiceprints)
    for path, why in left_out.items():
        print(f"{path}: {why}", file=sys.stderr)
    print(f"{kept} of {len(paths)} recordings embedded\n{out}")
    raise typer.Exit(0 if not left_out else 2)


def card(model: Model = "") -> None:
    """Print what a model was trained on, how well it does, and where it ends."""
    print(verifier_of(model).parts.card, end="")
