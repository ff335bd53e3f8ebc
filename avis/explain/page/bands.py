"""Bands of frequencies: what levelling each of them takes away."""

from collections.abc import Sequence

from markupsafe import Markup

from avis.explain.page.part import Part, Table
from avis.explain.page.svg import INK, TICK_PX, Row, around, axis, bar, joined, rows_picture, upright
from avis.explain.page.wording import DASH, NBSP, SIDES, UNKNOWN, decimals, signed, signed_or_dash
from avis.explain.record import Band, Explanation, SideName

ROW_PX = 26
LOOKS: dict[SideName, dict[str, str]] = {
    "enroll": {"fill": INK},
    "test": {"fill": "#fff", "stroke": INK, "stroke_width": "1.5"},
}
"""Of the sides, told apart without colour."""


def bands_part(explanation: Explanation) -> Part | None:
    """Return by how much the evidence falls without each band; None where that was not tried."""
    bands = explanation.bands
    if not bands:
        return None
    edges = sorted({(band.low_hz, band.high_hz) for band in bands})
    found = {(band.side, band.low_hz, band.high_hz): band.removed for band in bands}
    digits = decimals([band.removed for band in bands])
    sides: tuple[SideName, ...] = ("enroll", "test")
    names = [f"{low:,.0f}{DASH}{high:,.0f}{NBSP}Hz" for low, high in edges]
    cells = [[signed_or_dash(found.get((side, *edge)), digits) for side in sides] for edge in edges]
    most = max(bands, key=lambda band: abs(band.removed))
    return Part(
        heading="Bands of frequencies",
        reading="By how much the evidence for one person falls if a band is levelled to its mean over time, on one "
        "side: full bars in the enrolment, hollow ones in the test. To the left, the evidence rises without it.",
        drawing=rows_picture(
            [
                Row(name, " / ".join(each for each in row if each != UNKNOWN))
                for name, row in zip(names, cells, strict=True)
            ],
            _drawn(edges, bands),
            height=len(edges) * ROW_PX + TICK_PX,
            label=f"Bands of frequencies: the most is lost or won at {most.low_hz:,.0f} to {most.high_hz:,.0f} Hz of "
            f"the {SIDES[most.side].lower()}, {signed(most.removed, digits)}.",
            look="bands",
        ),
        table=Table(
            ("Band", *(SIDES[side] for side in sides)),
            [(name, *row) for name, row in zip(names, cells, strict=True)],
        ),
    )


def _drawn(edges: Sequence[tuple[float, float]], bands: Sequence[Band]) -> Markup:
    scale = around([band.removed for band in bands])
    height = len(edges) * ROW_PX
    drawn = [axis(scale, height=height)]
    for band in bands:
        y = edges.index((band.low_hz, band.high_hz)) * ROW_PX + (3 if band.side == "enroll" else 13)
        tip = f"{SIDES[band.side]}: {signed(band.removed, 3)}"
        drawn.append(bar(scale, 0.0, band.removed, y=y, height=8, tip=tip, **LOOKS[band.side]))
    drawn.append(upright(scale, 0.0, y1=0, y2=height, look="zero"))
    return joined(drawn)
