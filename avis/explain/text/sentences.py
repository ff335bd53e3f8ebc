"""An explanation in sentences, each with the facts that bear it out."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from avis.explain.record import Explanation
from avis.explain.text import account, generated, observed, quality, reasons, result, wording
from avis.explain.text.cautions import cautions
from avis.explain.text.facts import Said

Layer = Literal["result", "causal", "observed", "quality", "generated"]
Preset = Literal["engineer", "researcher", "examiner"]

LINE = 80


@dataclass(frozen=True)
class Sentence:
    """A sentence of a text, or a few that belong together.

    Attributes
    ----------
    text : str
    facts : tuple of str
        Paths into ``explanation.model_dump()``, such as ``segments/3/llr``, in the order in which the text says them.
        What is stated without facts holds of every explanation, and has neither numbers nor directions.
    layer : str
        ``result``; ``causal``: what moved the score; ``observed``: what can be heard; ``quality``: how far to trust it;
        ``generated``: what a model says, whether it is so or not.
    """

    text: str
    facts: tuple[str, ...]
    layer: Layer


Teller = Callable[[Explanation], Iterator[Said]]

PRESETS: dict[Preset, dict[Layer, tuple[Teller, ...]]] = {
    "engineer": {
        "result": (result.decision, result.capped, result.posterior),
        "causal": (reasons.start, reasons.stretches, reasons.beside_speech, reasons.otherwise),
        "quality": (quality.warnings, cautions),
        "generated": (generated.caption,),
    },
    "researcher": {
        "result": (result.decision, result.capped, result.verbal, result.posterior, result.model),
        "causal": (
            account.unit,
            result.scores,
            account.waterfall,
            account.segments,
            account.frames,
            account.pairs,
            account.gradients,
            account.bands,
            account.counterfactuals,
        ),
        "observed": (observed.attributes, observed.guesses, observed.neighbours, observed.rank),
        "quality": (quality.calibration, quality.validation, quality.sides, quality.warnings, cautions),
        "generated": (generated.caption,),
    },
    "examiner": {
        "result": (
            result.propositions,
            result.population,
            result.ratio,
            result.capped,
            result.verbal,
            result.posterior,
            result.limits_of_ratio,
        ),
        "observed": (observed.guesses, observed.rank),
        "quality": (
            quality.validation,
            quality.speech,
            quality.warnings_of_evidence,
            cautions,
            quality.limits,
            result.model,
        ),
    },
}
"""What is told to whom, in which order."""

FORETOLD: dict[Layer, tuple[Teller, ...]] = {
    "result": (result.direction, result.verbal),
    "observed": (observed.compared,),
}
"""What might be told of two embeddings without the recordings: neither numbers nor names, and no decision."""


def sentences(explanation: Explanation, preset: Preset) -> list[Sentence]:
    """Tell an explanation in sentences.

    Parameters
    ----------
    explanation : Explanation
    preset : str
        ``engineer``: the decision, the strongest reasons, warnings. ``researcher``: everything. ``examiner``: what is
        compared, the ratio, what bears it out; no decision, and no probability unless a prior was given.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(
            f"no such text: got preset={preset!r}, expected one of {', '.join(PRESETS)}. At sentences. Choose one."
        )
    return _told(explanation, PRESETS[preset])


def foretold(explanation: Explanation) -> list[Sentence]:
    """Tell what a captioner learns to say; see `FORETOLD`."""
    return _told(explanation, FORETOLD)


def _told(explanation: Explanation, layers: dict[Layer, tuple[Teller, ...]]) -> list[Sentence]:
    return [
        Sentence(said.text if _given(said) else wording.begun(said.text), said.facts, layer)
        for layer, tellers in layers.items()
        if layer != "causal" or explanation.outcome != "not_heard"
        for teller in tellers
        for said in teller(explanation)
    ]


def _given(said: Said) -> bool:
    return len(said.facts) == 1 and said.facts[0].startswith("warnings/")


def describe(explanation: Explanation, preset: Preset) -> str:
    """Tell an explanation as plain text for a terminal, a paragraph for each layer; see `sentences`."""
    paragraphs = []
    for layer, group in groupby(sentences(explanation, preset), key=lambda sentence: sentence.layer):
        filled = textwrap.fill(" ".join(wording.ended(sentence.text) for sentence in group), LINE)
        paragraphs.append("\n".join(filter(None, [wording.HEADINGS[layer], filled])))
    return "\n\n".join(paragraphs)
