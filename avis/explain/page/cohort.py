"""Other voices that are like either side, beside the trial itself."""

from collections.abc import Sequence

from markupsafe import Markup

from avis.explain.page.part import Part, Table
from avis.explain.page.svg import INK, TICK_PX, Row, Scale, axis, element, joined, level, rows_picture, upright
from avis.explain.page.wording import own_evidence, rank, signed
from avis.explain.record import Cohort, Explanation, Neighbour

ROW_PX = 32
LISTED = 10
"""Voices on either side that the table names."""


def cohort_part(explanation: Explanation) -> Part | None:
    """Return the nearest voices to both sides; None where there is no cohort."""
    cohort = explanation.cohort
    if cohort is None:
        return None
    num = min(len(cohort.enroll_nearest), len(cohort.test_nearest))
    notes = [rank(cohort.num_voices, cohort.rank_p)]
    if num:
        notes.append(f"{cohort.overlap} of the {num} nearest voices are the same on both sides.")
    return Part(
        heading="Other voices",
        reading=f"The nearest of {cohort.num_voices:,} other voices, by the evidence with each in place of the "
        "other side, before any cap. The upright line is that of these two recordings; voices to its right are more "
        "like a side than the other recording is.",
        drawing=_picture(cohort, own_evidence(explanation)) if num else Markup(""),
        table=Table(("Nearest", "To the enrolment", "Evidence", "To the test", "Evidence"), _rows(cohort))
        if num
        else Table(),
        notes=notes,
    )


def _rows(cohort: Cohort) -> list[Sequence[str]]:
    pairs = list(zip(cohort.enroll_nearest, cohort.test_nearest, strict=False))[:LISTED]
    return [
        (str(number), enroll.voice, signed(enroll.score, 3), test.voice, signed(test.score, 3))
        for number, (enroll, test) in enumerate(pairs, start=1)
    ]


def _picture(cohort: Cohort, own: float | None) -> Markup:
    sides: list[tuple[str, list[Neighbour]]] = [
        ("like the enrolment", cohort.enroll_nearest),
        ("like the test", cohort.test_nearest),
    ]
    values = [each.score for _, nearest in sides for each in nearest] + ([] if own is None else [own])
    room = 0.05 * (max(values) - min(values) or 1.0)
    scale, height = Scale(min(values) - room, max(values) + room), len(sides) * ROW_PX
    drawn = [axis(scale, height=height)]
    for number, (_, nearest) in enumerate(sides):
        y = number * ROW_PX + ROW_PX / 2
        look = {"fill": INK} if number == 0 else {"fill": "#fff", "stroke": INK, "stroke_width": "1.5"}
        drawn.append(level(y))
        drawn += [_voice(each, scale, y=y, look=look) for each in nearest]
    if own is not None:
        drawn.append(upright(scale, own, y1=0, y2=height, look="trial"))
    best = max(each.score for _, nearest in sides for each in nearest)
    label = f"Evidence of the nearest other voices, up to {signed(best, 3)}"
    label += "." if own is None else f"; the trial itself has {signed(own, 3)}."
    return rows_picture(
        [Row(name) for name, _ in sides], joined(drawn), height=height + TICK_PX, label=label, look="wide"
    )


def _voice(neighbour: Neighbour, scale: Scale, *, y: float, look: dict[str, str]) -> Markup:
    tip = element("title", f"{neighbour.voice}: {signed(neighbour.score, 3)}")
    return element("circle", tip, cx=f"{scale.place(neighbour.score):g}%", cy=y, r=5, fill_opacity="0.7", **look)
