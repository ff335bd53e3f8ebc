"""The waterfall: how the log-likelihood ratio adds up."""

import itertools
import math

from markupsafe import Markup

from avis.explain.page.part import Part, Table
from avis.explain.page.svg import (
    AGAINST,
    FOR,
    INK,
    TICK_PX,
    Row,
    Scale,
    around,
    axis,
    bar,
    joined,
    rows_picture,
    upright,
)
from avis.explain.page.wording import UNITS, decimals, signed
from avis.explain.record import Bar, Explanation, Kind

ROW_PX, AT_ONCE = 24, 30
SAID: tuple[Kind, ...] = ("segment", "voice")
"""Kinds of bar that are of what was said: drawn full, all others hollow."""


def waterfall_part(explanation: Explanation, *, show_threshold: bool) -> Part | None:
    """Return the bars from zero to the ratio, one below the other, each from where the one above it ends.

    None where there are none.

    Parameters
    ----------
    explanation : Explanation
    show_threshold : bool
        Whether to mark where a match begins.
    """
    bars = explanation.waterfall
    if not bars:
        return None
    total = math.fsum(each.llr for each in bars)
    ends = list(itertools.accumulate(each.llr for each in bars))
    digits, unit = decimals([total, *(each.llr for each in bars)]), UNITS[explanation.unit]
    threshold = explanation.threshold if show_threshold and explanation.unit == "llr" else None
    marked = " The dashed line is the threshold: from there on it is a match." if threshold is not None else ""
    rows = [
        (each.part, each.kind, signed(each.llr, digits), signed(end, digits))
        for each, end in zip(bars, ends, strict=True)
    ]
    return Part(
        heading=f"How the {unit} adds up",
        reading="Each bar begins where the one above it ends. To the right (blue) speaks for one person, to the left "
        "(orange) for two. Full bars are what was said; hollow ones the model, the cohort and the calibration add."
        + marked,
        drawing=_drawn(bars, digits, threshold),
        table=Table(("Part", "Kind", "Adds", "Sum so far"), rows),
    )


def _drawn(bars: list[Bar], digits: int, threshold: float | None) -> Markup:
    """Draw so many bars at a time as a sheet of paper has room for, all on one axis."""
    ends = list(itertools.accumulate((each.llr for each in bars), initial=0.0))
    scale = around([*ends, *([] if threshold is None else [threshold])])
    most = max(bars, key=lambda each: abs(each.llr))
    told = f"Waterfall of {len(bars)} bars from 0 to {signed(ends[-1], digits)}. The largest: {most.part}, "
    pieces = []
    for first in range(0, len(bars), AT_ONCE):
        some = bars[first : first + AT_ONCE]
        is_last = first + len(some) == len(bars)
        rows = [Row(each.part, signed(each.llr, digits)) for each in some]
        rows += [Row("All together", signed(ends[-1], digits))] if is_last else []
        height = len(rows) * ROW_PX
        drawn = [axis(scale, height=height), upright(scale, 0.0, y1=0, y2=height, look="zero")]
        if threshold is not None:
            drawn.append(upright(scale, threshold, y1=0, y2=height, look="dashed"))
        drawn += [_bar(scale, each, ends[first + n], ends[first + n + 1], row=n) for n, each in enumerate(some)]
        if is_last:
            drawn.append(bar(scale, 0.0, ends[-1], y=height - ROW_PX + 3, height=ROW_PX - 6, fill=INK))
        label = f"{told}{signed(most.llr, digits)}. These are the bars {first + 1} to {first + len(some)}."
        pieces.append(rows_picture(rows, *drawn, height=height + TICK_PX, label=label, look="sum"))
    return joined(pieces)


def _bar(scale: Scale, each: Bar, start: float, end: float, *, row: int) -> Markup:
    y = row * ROW_PX + 3
    colour = FOR if each.llr >= 0 else AGAINST
    look = {"fill": colour} if each.kind in SAID else {"fill": "#fff", "stroke": colour, "stroke_width": "1.5"}
    drawn = bar(scale, start, end, y=y, height=ROW_PX - 6, tip=f"{each.part}: {signed(each.llr, 3)}", **look)
    return joined([drawn, upright(scale, end, y1=y, y2=y + ROW_PX, look="step")])
