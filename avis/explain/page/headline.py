"""The verdict of an explanation in one line, for whom it is told."""

import math
from typing import Literal, NamedTuple

from avis.explain.page.wording import NBSP, OUTCOMES, UNITS, signed
from avis.explain.record import Explanation
from avis.explain.text.wording import percent
from avis.verifier.verdict import Verdict, between, evidence, times

Preset = Literal["engineer", "researcher", "examiner"]
"""For whom: the decision first; everything; the evidence without any decision."""

NOT_CALIBRATED = "nothing was calibrated to tell what it means"


class Headline(NamedTuple):
    """A figure, what it is, and a line on it."""

    name: str
    figure: str
    line: str = ""


def headlines(explanation: Explanation, preset: Preset) -> list[Headline]:
    """Return what stands above everything else: first the verdict, or for an examiner the evidence."""
    first = _evidence(explanation) if preset == "examiner" else _decision(explanation)
    return [first, *_figures(explanation, preset)]


def _verdict(explanation: Explanation) -> Verdict:
    speech_s = (_speech_s(explanation, "enroll"), _speech_s(explanation, "test"))
    normalised = explanation.score_norm is not None
    return Verdict(
        outcome=explanation.outcome,
        llr=explanation.llr,
        llr_interval=explanation.llr_interval,
        llr_bounds=explanation.llr_bounds,
        score=explanation.score_norm if normalised else explanation.score,
        threshold=explanation.threshold,
        speech_s=speech_s,
        quality=({}, {}),
        warnings=(),
    )


def _speech_s(explanation: Explanation, side: str) -> float:
    return sum(each.speech_s for each in explanation.sides if each.side == side)


def _decision(explanation: Explanation) -> Headline:
    verdict = _verdict(explanation)
    if (
        verdict.outcome != "not_heard"
        and (verdict.llr is not None or verdict.score is None)
        and not verdict.llr_interval
    ):
        said = "Nothing was scored." if verdict.llr is None else f"The evidence is {evidence(verdict.llr)}."
        return Headline("Decision", OUTCOMES[verdict.outcome], said)
    outcome, _, line = str(verdict).partition(": ")
    return Headline("Decision", outcome, line[0].upper() + line[1:])


def _evidence(explanation: Explanation) -> Headline:
    if explanation.outcome == "not_heard":
        return _decision(explanation)._replace(name="Evidence")
    if explanation.llr is None:
        return Headline("Evidence", "Not stated", f"There is a score, but {NOT_CALIBRATED}.")
    whose = "one person" if explanation.llr >= 0 else "two people"
    interval = f" ({between(*explanation.llr_interval)})" if explanation.llr_interval else ""
    line = f"The evidence is {evidence(explanation.llr)}{interval}."
    return Headline("Evidence", f"{times(abs(explanation.llr))} to 1 for {whose}", line)


def _figures(explanation: Explanation, preset: Preset) -> list[Headline]:
    found = []
    if explanation.llr is not None:
        found.append(Headline("Log-likelihood ratio", signed(explanation.llr), _bounded(explanation)))
    verdict = _verdict(explanation)
    if verdict.score is not None:
        name = "Score" if explanation.score_norm is None else "Score, normalised"
        line = "" if explanation.llr is not None else NOT_CALIBRATED
        found.append(Headline(name, signed(verdict.score, 3), line))
    if explanation.llr is not None and preset != "examiner":
        line = f"a ratio of {times(explanation.threshold)} to 1"
        found.append(Headline("Threshold", signed(explanation.threshold), line))
    if explanation.prior is not None and explanation.llr is not None:
        line = f"where it was {percent(explanation.prior)} before"
        probability = percent(verdict.probability(explanation.prior) or 0.0)
        found.append(Headline("Probability of one person", probability, line))
    speech = " and ".join(f"{each:.1f}" for each in verdict.speech_s)
    found.append(Headline("Speech", f"{speech}{NBSP}s", "enrolment and test"))
    return found


def _bounded(explanation: Explanation) -> str:
    if explanation.llr_interval is None:
        return UNITS[explanation.unit]
    low, high = explanation.llr_interval
    capped = any(math.isclose(explanation.llr or 0.0, bound, rel_tol=1e-6) for bound in explanation.llr_bounds or ())
    return f"{signed(low)} to {signed(high)} (95{NBSP}%)" + (", capped" if capped else "")
