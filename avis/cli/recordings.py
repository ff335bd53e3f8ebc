"""Compare and embed recordings, and say what the model is that does so."""

import json
import sys
from typing import Annotated

import typer

from avis.cli.arguments import STATUS, Json, Model, matching, standard_input, verifier_of


def verify(
    first: Annotated[str, typer.Argument(help="A recording: a path or URI, or - for standard input.")],
    second: Annotated[str, typer.Argument(help="The recording to compare it with.")],
    model: Model = "",
    as_json: Json = False,
) -> None:
    """Say whether one person speaks in two recordings, and how sure that is."""
    if first == second == "-":
        raise ValueError("one standard input: got - twice, expected it once. At the recordings. Give a path for one.")
    verdict = verifier_of(model).verify(*(standard_input() if source == "-" else source for source in (first, second)))
    print(json.dumps(verdict.plain()) if as_json else verdict)
    raise typer.Exit(STATUS[verdict.outcome])


def embed(
    recordings: Annotated[list[str], typer.Argument(help="Paths, URIs or patterns such as 'calls/*.wav'.")],
    out: Annotated[str, typer.Option(help="The file to write: .npz or .parquet.")],
    model: Model = "",
) -> None:
    """Write the embedding of each recording; what cannot be used is named."""
    from avis.verifier.embedding_file import check_suffix, write_embedding_file

    check_suffix(out)
    paths = matching(recordings)
    with typer.progressbar(verifier_of(model).embed_files(paths), length=len(paths), file=sys.stderr) as made:
        voiceprints = dict(made)
    kept, left_out = write_embedding_file(out, voiceprints)
    for path, why in left_out.items():
        print(f"{path}: {why}", file=sys.stderr)
    print(f"{kept} of {len(paths)} recordings embedded\n{out}")
    raise typer.Exit(0 if not left_out else 2)


def card(model: Model = "") -> None:
    """Print what a model was trained on, how well it does, and where it ends."""
    from avis.verifier.card import card as written

    parts = verifier_of(model).parts
    print(written(parts.config, parts.calibration.facts() if parts.calibration else None), end="")
