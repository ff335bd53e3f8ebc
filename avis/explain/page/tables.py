"""What is told in tables alone: segments, counterfactuals, the quality of recordings, and what the model is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from avis.explain.page.headline import Preset
from avis.explain.page.part import Part, Table
from avis.explain.page.wording import (
    OUTCOMES,
    UNITS,
    UNKNOWN,
    decimals,
    place,
    plain,
    side_name,
    signed,
    signed_or_dash,
)
from avis.explain.record import By, Explanation, Segment
from avis.reports.inspection import MEASURES
from avis.verifier.verdict import evidence


class Column(NamedTuple):
    """A column of the table of segments; with ``check`` it is one of those that only some readers are shown."""

    heading: str
    value: Callable[[Segment], float | None]
    check: bool = False


COLUMNS = (
    Column("Share", lambda segment: segment.llr),
    Column("Cut out", lambda segment: segment.removed.get("splice")),
    Column("Levelled", lambda segment: segment.removed.get("mean")),
    Column("Noise instead", lambda segment: segment.removed.get("noise")),
    Column("Shapley", lambda segment: segment.shapley, check=True),
    Column("Gradient", lambda segment: segment.gradient, check=True),
)


def segments_part(explanation: Explanation, *, checks: bool) -> Part | None:
    """Return every segment with what is known of it; columns that are known of none are left out."""
    segments = explanation.segments
    shown = [column for column in COLUMNS if checks or not column.check]
    known = [column for column in shown if any(column.value(each) is not None for each in segments)]
    if not known:
        return None
    digits = decimals([value for column in known for each in segments if (value := column.value(each)) is not None])
    rows = [
        (place(explanation, each), *(signed_or_dash(column.value(each), digits) for column in known))
        for each in segments
    ]
    return Part(
        heading="Segments, one by one",
        reading="Several ways to ask what a segment did; at the end it is told what each means. Where they disagree, "
        "believe none alone. More than zero speaks for one person.",
        table=Table(("Segment", *(column.heading for column in known)), rows),
    )


def counterfactuals_part(explanation: Explanation, *, show_outcome: bool) -> Part | None:
    """Return what the ratio would be if the recordings were otherwise; None where that was not tried."""
    if not explanation.counterfactuals:
        return None
    is_llr = explanation.unit == "llr"
    own = explanation.llr if is_llr else _score(explanation)
    columns = ["If there were", "Ratio (log)" if is_llr else "Score", "Change"]
    columns += (["The evidence would be"] if is_llr else []) + (["Decision"] if show_outcome else [])
    rows = []
    for each in explanation.counterfactuals:
        change = None if each.llr is None or own is None else each.llr - own
        row = [each.change, signed_or_dash(each.llr), signed_or_dash(change)]
        if is_llr:
            row.append(UNKNOWN if each.llr is None else evidence(each.llr))
        if show_outcome:
            row.append(OUTCOMES.get(each.outcome, each.outcome))  # type: ignore[call-overload]
        rows.append(row)
    return Part(
        heading="If the recordings were otherwise",
        reading="The recordings were changed and scored again; nothing here is a guess.",
        table=Table(columns, rows, "cards"),
    )


def quality_part(explanation: Explanation) -> Part:
    """Return how both sides were heard."""
    sides = explanation.sides
    measures = list(dict.fromkeys(name for side in sides for name in side.quality))
    rows: list[Sequence[str]] = [
        ("Duration (s)", *(f"{side.duration_s:.2f}" if side.duration_s else UNKNOWN for side in sides)),
        ("Speech (s)", *(f"{side.speech_s:.2f}" for side in sides)),
    ]
    for name in measures:
        measure = MEASURES.get(name)
        values = [side.quality.get(name) for side in sides]
        label = measure.label() if measure else _MORE.get(name, name.replace("_", " "))
        rows.append((label, *(measure.text(value) if measure else plain(value) for value in values)))
    names = [side_name(explanation, side.side, side.recording) for side in sides]
    return Part(
        heading="The recordings",
        reading="A voice that is short, noisy, clipped or narrow in band says less, and recordings that differ in "
        "these differ for reasons other than the voice.",
        table=Table(("Measure", *names), rows),
    )


ORDERS: dict[By, str] = {
    "share": "Shares",
    "splice": "Cut out",
    "mean": "Levelled",
    "noise": "Noise instead",
    "shapley": "Shapley",
    "gradient": "Gradient",
    "windows": "Windows",
    "random": "Chance",
    "energy": "The loudest first",
    "speech": "Most speech first",
    "attention": "What attention weighs most first",
    "best": "The best that there is",
}


def orders_part(explanation: Explanation) -> Part | None:
    """Return how far each kind of reason foretells what becomes of the evidence; None where that was not tried."""
    if not explanation.orders:
        return None
    digits = decimals([value for each in explanation.orders for value in (each.deletion, each.insertion)])
    rows = [
        (ORDERS[each.by], signed(each.deletion, digits), signed(each.insertion, digits)) for each in explanation.orders
    ]
    return Part(
        heading="Do the reasons foretell the evidence?",
        reading="The test's segments are taken away, the strongest first by each kind of reason, and given back in "
        "that order: evidence for the decision, in the mean along the way, less that of all of them. A good reason "
        "takes away more than chance or loudness does, and gives back more. One trial tells little; the index of a "
        "list has intervals.",
        table=Table(("Order by", "Taken away", "Given back"), rows),
    )


_MORE = {"speech_s": "Speech by loudness (s)"}


def model_part(explanation: Explanation, preset: Preset) -> Part:
    """Return what decided, and on what it rests."""
    facts: dict[str, str] = {"Model (digest)": explanation.model, "Evidence counted in": UNITS[explanation.unit]}
    if explanation.score is not None:
        facts["Score of the back-end"] = signed(explanation.score, 4)
    if explanation.score_norm is not None:
        facts["Score, normalised by the cohort"] = signed(explanation.score_norm, 4)
    if explanation.num_calibration_speakers is not None:
        facts["Speakers of the calibration"] = f"{explanation.num_calibration_speakers:,}"
    if explanation.llr_bounds is not None:
        facts["Ratios are capped at"] = " and ".join(map(signed, explanation.llr_bounds))
    if preset != "examiner" and explanation.unit == "llr":
        facts["Threshold"] = signed(explanation.threshold)
    for side in explanation.sides:
        facts[f"SHA-256 of the samples, {side_name(explanation, side.side, side.recording).lower()}"] = side.sha256
    return Part(
        heading="What decided" if preset != "examiner" else "What compared them",
        reading="The same model, recordings and settings give the same page.",
        table=Table((), list(facts.items()), "facts"),
    )


def meaning_part(explanation: Explanation, *, checks: bool) -> Part:
    """Return how each number is meant that is on the page."""
    segments = explanation.segments
    meant: dict[str, str] = {}
    if explanation.unit == "llr":
        meant["Log-likelihood ratio"] = (
            "The natural logarithm of how many times likelier these recordings are if one person spoke both than if "
            "two people did. 0 says nothing, +2.3 is ten to one for one person, \N{MINUS SIGN}2.3 ten to one for two."
        )
    if explanation.llr_interval is not None:
        meant["Interval"] = "Where the ratio lies with other speakers for the calibration, at 95 %."
    if explanation.waterfall or explanation.frames or any(each.llr is not None for each in segments):
        meant["Share"] = (
            "A share of the final score, not the effect of deleting: shares add up exactly, but every moment was heard "
            "among all others, so that without it the others would be heard differently."
        )
    if any(each.removed for each in segments):
        meant["Cut out, levelled, noise instead"] = (
            "By how much the evidence falls when the segment is cut out, when the recording's mean spectrum takes its "
            "place, or noise of its level. Each makes a recording that nobody spoke; therefore there are several."
        )
    if checks and any(each.shapley is not None for each in segments):
        meant["Shapley"] = (
            "What the segment adds to every set of the others of its recording, averaged, by a scorer that hears "
            "segments alone and takes their mean."
        )
    if checks and any(each.gradient is not None for each in segments):
        meant["Gradient"] = _gradient(explanation)
    if explanation.acoustics:
        meant["Percentile"] = (
            "The share of the population's speakers that lie below. What is heard need not have moved the score."
        )
    return Part(heading="How the numbers are meant", reading="", table=Table((), list(meant.items()), "facts"))


def _gradient(explanation: Explanation) -> str:
    said = "Gradients of the evidence, summed on the way from the recording's mean spectrum to the recording."
    if explanation.completeness_gap is not None:
        said += f" They miss {100 * explanation.completeness_gap:.2g} % of what they should add up to."
    if explanation.baseline is not None:
        said += f" With the mean spectrum in place of the test the evidence is {signed(explanation.baseline)}."
    return said


def _score(explanation: Explanation) -> float | None:
    return explanation.score if explanation.score_norm is None else explanation.score_norm
