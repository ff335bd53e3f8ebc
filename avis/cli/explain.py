"""Say why two recordings are one person's, or are not."""

import os
import sys
import tempfile
import webbrowser
from typing import Annotated, Literal

import typer

from avis import location
from avis.cli.arguments import STATUS, Json, Model, matching, named, verifier_of
from avis.whole_file import write_bytes

Preset = Annotated[
    Literal["engineer", "researcher", "examiner"],
    typer.Option(help="For whom: the decision and its strongest reasons, everything, or evidence without a decision."),
]


def explain(
    recordings: Annotated[
        list[str],
        typer.Argument(help="Two recordings; of more, all but the last are of one person, whom it is compared with."),
    ],
    model: Model = "",
    preset: Preset = "engineer",
    prior: Annotated[
        float | None, typer.Option(help="How probable it was before that one person spoke both. [default: not stated]")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what is exact; nothing is changed and tried.")] = False,
    caption: Annotated[
        bool,
        typer.Option(
            "--caption", help="Also what a model learnt to say of two embeddings (avis caption), which may be false."
        ),
    ] = False,
    out: Annotated[str, typer.Option(help="An HTML file to write the page to.")] = "",
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    listen: Annotated[
        str, typer.Option(help="A folder to write the stretches to that speak most for and against, as WAV files.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say why one person speaks in recordings, or two people do, and how far to trust that."""
    from avis.explain import clips, describe, sentences, trial_page, write_clips
    from avis.explain import explain as explained

    if caption and preset == "examiner":
        raise ValueError(
            "nothing for an examiner: got --caption with preset=examiner, expected one of them, since a caption may be "
            "false. At the command line. Leave one out."
        )
    paths = _two_or_more(recordings)
    sources, verifier = [named(path) for path in paths], verifier_of(model)
    explanation = explained(verifier, sources[:-1], sources[-1], prior=prior, checks=not quick, caption=caption)
    print(explanation.model_dump_json() if as_json else describe(explanation, preset))
    by_side = {"enroll": sources[:-1], "test": sources[-1:]}
    heard = {
        (each.side, each.recording): by_side[each.side][each.recording] for each in explanation.sides if each.duration_s
    }
    written = []
    if listen:
        rate = verifier.hearing.sample_rate
        given = {place: (verifier.as_given(source), rate) for place, source in heard.items()}
        written += write_clips(location.absolute(listen), clips(explanation, given))
    if out or show:
        page = location.absolute(out or os.path.join(tempfile.mkdtemp(prefix="avis-"), "explanation.html"))
        audio = {place: verifier.audio(source) for place, source in heard.items()}
        text = sentences(explanation, preset)
        write_bytes(page, trial_page(explanation, audio=audio, text=text, preset=preset).encode())
        written.append(page)
    for path in written:
        print(path, file=sys.stderr if as_json else sys.stdout)
    if show:
        webbrowser.open(page if location.is_uri(page) else f"file://{page}")
    raise typer.Exit(STATUS[explanation.outcome])


def _two_or_more(recordings: list[str]) -> list[str]:
    """Return the paths, of which a pattern may stand for several."""
    paths = [path for each in recordings for path in ([each] if each == "-" else matching([each]))]
    if len(paths) < 2 or paths.count("-") > 1:
        raise ValueError(
            f"recordings to explain: got {', '.join(paths)}, expected two or more, at most one of them -. At the "
            "command line. Give those of one person, then the one to compare."
        )
    return paths
