"""One HTML page that explains a trial, with nothing outside the file."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from avis.explain.faithfulness.windows_scorer import WindowsError
from avis.explain.page.bands import bands_part
from avis.explain.page.caption import caption_part
from avis.explain.page.cohort import cohort_part
from avis.explain.page.dumbbells import acoustics_part
from avis.explain.page.guesses import guesses_part
from avis.explain.page.headline import Preset, headlines
from avis.explain.page.histogram import calibration_part
from avis.explain.page.matrix import evidence_part, windows_part
from avis.explain.page.part import Part
from avis.explain.page.recording import recording_part
from avis.explain.page.script import script
from avis.explain.page.sound import Sound, sounds_of
from avis.explain.page.tables import (
    counterfactuals_part,
    meaning_part,
    model_part,
    orders_part,
    quality_part,
    segments_part,
)
from avis.explain.page.waterfall import waterfall_part
from avis.explain.page.wording import SIDES, path_of
from avis.explain.record import Explanation, SideName
from avis.reports.html import render
from avis.verifier.verifier import UNDECIDED

UNFOLDED = 6
"""Sentences of a layer that are read at once; the others are folded."""


class Sentence(Protocol):
    """A sentence about the record."""

    @property
    def text(self) -> str:
        """What it says."""

    @property
    def layer(self) -> str:
        """``causal``, ``observed`` or ``quality``; what is ``generated`` is left to its box; others stand above all."""

    @property
    def facts(self) -> Sequence[str]:
        """Of which facts of the record it tells."""


class Layer(NamedTuple):
    """One of three kinds of reason, never mixed with another, or what is none.

    Attributes
    ----------
    name : str
        As `Sentence.layer` spells it.
    heading, lead : str
        What it is called, and what it may be taken for.
    parts : list of Part
    missing : str
        What is said where it has nothing to tell.
    """

    name: str
    heading: str
    lead: str
    parts: list[Part]
    missing: str


def trial_page(
    explanation: Explanation,
    *,
    audio: Mapping[tuple[SideName, int], bytes] = {},
    text: Sequence[Sentence] = (),
    preset: Preset = "researcher",
    windows_error: WindowsError | None = None,
) -> str:
    """Return a self-contained page on why a trial came out as it did.

    Parameters
    ----------
    explanation : Explanation
        All that is told.
    audio : mapping of (str, int) to bytes
        WAV or FLAC files of whole recordings as given, by side and number: to be seen and played.
    text : sequence of Sentence
        What is said of the record; each stands in its layer.
    preset : {"engineer", "researcher", "examiner"}
        For whom: the decision without the checks of its explanation; everything; everything but the decision.
    windows_error : WindowsError or None
        How much the scorer of windows errs, where that is known.

    Raises
    ------
    ValueError
        If audio is of no side of the record, or neither WAV nor FLAC.
    """
    sounds = sounds_of(explanation, audio)
    layers = [
        _causal(explanation, sounds, preset, windows_error),
        _observed(explanation),
        _quality(explanation, preset),
    ]
    if preset != "examiner" and (caption := caption_part(explanation)):
        layers.append(_generated(caption))
    return render(
        "trial.html.j2",
        package="avis.explain.page",
        title=_title(explanation),
        preset=preset,
        headlines=headlines(explanation, preset),
        verbal=explanation.verbal,
        propositions=_propositions(explanation) if preset == "examiner" and not text else [],
        warnings=[each for each in explanation.warnings if preset != "examiner" or not each.startswith(UNDECIDED)],
        said=[each for each in text if each.layer not in {"generated", *(layer.name for layer in layers)}],
        sentences={layer.name: [each for each in text if each.layer == layer.name != "generated"] for layer in layers},
        unfolded=UNFOLDED,
        layers=layers,
        script=script("play.js.j2"),
    )


def _title(explanation: Explanation) -> str:
    shared = _shared_folder([path_of(each) for each in explanation.sides])
    return f"{_names(explanation, 'enroll', shared)} compared with {_names(explanation, 'test', shared)}"


def _names(explanation: Explanation, side: SideName, shared: str) -> str:
    names = [path_of(each).removeprefix(shared) for each in explanation.sides if each.side == side]
    first, *more = names or [f"no {SIDES[side].lower()}"]
    return f"{first} with {len(more)} more" if more else first


def _shared_folder(paths: Sequence[str]) -> str:
    """Return the folder that some paths share.

    >>> _shared_folder(["/voices/ada/1.flac", "/voices/alan/2.flac"]), _shared_folder(["a.flac", "a.flac"])
    ('/voices/', '')
    """
    levels = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    return "".join(f"{each[0]}/" for each in itertools.takewhile(lambda names: len(set(names)) == 1, levels))


def _propositions(explanation: Explanation) -> list[str]:
    speakers = explanation.num_calibration_speakers
    of_whom = "of the population that the calibration stands for" + (f", {speakers:,} speakers" if speakers else "")
    return [
        "First proposition: one person spoke in the recordings of both sides.",
        f"Second proposition: two people did, {of_whom}.",
        "The ratio says how much likelier the recordings are by the first than by the second. It is no probability of "
        "either, and no decision.",
    ]


def _present(*parts: Part | None) -> list[Part]:
    return [part for part in parts if part is not None]


def _causal(
    explanation: Explanation,
    sounds: Mapping[tuple[SideName, int], Sound],
    preset: Preset,
    windows_error: WindowsError | None,
) -> Layer:
    decides, checks = preset != "examiner", preset != "engineer"
    recordings = [
        recording_part(explanation, each, sounds.get((each.side, each.recording)), is_first=number == 0)
        for number, each in enumerate(explanation.sides)
    ]
    return Layer(
        name="causal",
        heading="What moved the score",
        lead="Causes: what this score is made of, and what became of it when something was changed.",
        parts=_present(
            waterfall_part(explanation, show_threshold=decides),
            *recordings,
            evidence_part(explanation),
            windows_part(explanation, windows_error) if checks else None,
            segments_part(explanation, checks=checks),
            bands_part(explanation),
            counterfactuals_part(explanation, show_outcome=decides),
        ),
        missing="Nothing was scored, so that nothing moved a score." if explanation.score is None else "",
    )


def _observed(explanation: Explanation) -> Layer:
    parts = _present(acoustics_part(explanation), guesses_part(explanation), cohort_part(explanation))
    return Layer(
        name="observed",
        heading="What can be heard",
        lead="Observations, not causes: what an ear or a measurement finds in the voices. The score may have come "
        "about by something else.",
        parts=parts,
        missing="" if parts else "Neither the voices nor others like them were measured.",
    )


def _quality(explanation: Explanation, preset: Preset) -> Layer:
    return Layer(
        name="quality",
        heading="How far to trust it",
        lead="Limits: what the ratio rests on, how good the recordings are, and what each number means.",
        parts=_present(
            calibration_part(explanation, show_threshold=preset != "examiner"),
            orders_part(explanation) if preset == "researcher" else None,
            quality_part(explanation),
            model_part(explanation, preset),
            meaning_part(explanation, checks=preset != "engineer"),
        ),
        missing="",
    )


def _generated(caption: Part) -> Layer:
    return Layer(
        name="generated",
        heading="Generated by a model, not checked to be true",
        lead="No reason of any kind: a model that learnt such sentences says what it would expect, and may be wrong.",
        parts=[caption],
        missing="",
    )
