"""What can be heard of both voices, among the voices of a population."""

from collections.abc import Sequence

from markupsafe import Markup

from avis.acoustics.measure import ATTRIBUTES
from avis.explain.page.part import Part, Table
from avis.explain.page.svg import INK, TICK_PX, Row, Scale, axis, element, joined, level, rows_picture
from avis.explain.page.wording import UNKNOWN, plain, signed_or_dash
from avis.explain.record import Attribute, Explanation

ROW_PX = 40
PERCENTILES = Scale(-3.0, 103.0)


def acoustics_part(explanation: Explanation) -> Part | None:
    """Return both voices as dumb-bells on the population's percentiles; None where nothing was measured."""
    attributes = explanation.acoustics
    if not attributes:
        return None
    placed = [each for each in attributes if (each.enroll_percentile, each.test_percentile) != (None, None)]
    rows = [
        (
            _named(each),
            *map(plain, (each.enroll, each.test)),
            *(UNKNOWN if value is None else f"{value:.0f}" for value in (each.enroll_percentile, each.test_percentile)),
            signed_or_dash(each.llr),
        )
        for each in attributes
    ]
    columns = ("Attribute", "Enrolment", "Test", "Percentile, enrolment", "Percentile, test", "Ratio by it alone (log)")
    reading = (
        "Each voice's place among the voices of the population, from the lowest (0) to the highest (100): full the "
    )
    reading += "enrolment, hollow the test. Marks near each other are what one person's would be, the more so far out, "
    reading += "where few voices are."
    return Part(
        heading="The voices",
        reading=reading if placed else "There is no population to tell what is common; these are the values.",
        drawing=_picture(placed) if placed else Markup(""),
        table=Table(columns, rows),
        notes=["What one attribute alone would say is added neither to the ratio nor to another: they belong together."]
        if any(each.llr is not None for each in attributes)
        else [],
    )


def _named(attribute: Attribute) -> str:
    return f"{_spoken(attribute)} ({attribute.unit})" if attribute.unit else _spoken(attribute)


def _spoken(attribute: Attribute) -> str:
    words = ATTRIBUTES[attribute.name].words if attribute.name in ATTRIBUTES else attribute.name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _picture(attributes: Sequence[Attribute]) -> Markup:
    height = len(attributes) * ROW_PX
    drawn = [axis(PERCENTILES, height=height)]
    for number, each in enumerate(attributes):
        drawn.append(_dumbbell(each, y=number * ROW_PX + ROW_PX / 2))
    rows = [
        Row(_spoken(each), note=f"{plain(each.enroll)} and {plain(each.test)} {each.unit}".rstrip())
        for each in attributes
    ]
    label = f"Percentiles of both voices in the population, by {len(attributes)} attributes."
    return rows_picture(rows, *drawn, height=height + TICK_PX, label=label, look="noted")


def _dumbbell(attribute: Attribute, *, y: float) -> Markup:
    ends = {"enroll": attribute.enroll_percentile, "test": attribute.test_percentile}
    places = {side: PERCENTILES.place(value) for side, value in ends.items() if value is not None}
    drawn = [level(y)]
    if len(places) == 2:
        drawn.append(level(y, x1=places["enroll"], x2=places["test"], look="link"))
    looks = {"enroll": {"fill": INK}, "test": {"fill": "#fff", "stroke": INK, "stroke_width": "2"}}
    for side, x in places.items():
        drawn.append(element("circle", cx=f"{x:g}%", cy=y, r=6 if side == "enroll" else 5, **looks[side]))
    return joined(drawn)
