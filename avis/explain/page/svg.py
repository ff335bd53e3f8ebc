"""Pieces of drawings in SVG.

Places along a drawing are in percent of its width and everything else is in pixels: so it fits a phone and a sheet of
paper alike, and its text has the same size on both.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from avis.reports.drawing import DIFFERENT, SAME

FOR, AGAINST = SAME, DIFFERENT
"""What speaks for one person and for two; shown by place or sign, too."""

INK, RULE = "#16202c", "#d5dbe3"
TICK_PX = 20
"""Height of an axis."""


class Scale(NamedTuple):
    """Ends of an axis."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the way; what is beyond an end lies on it.

        >>> Scale(-1.0, 3.0).place(0.0), Scale(0.0, 1.0).place(7.0), Scale(2.0, 2.0).place(2.0)
        (25.0, 100.0, 50.0)
        """
        if self.high <= self.low:
            return 50.0
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)


class Row(NamedTuple):
    """What stands before and behind a row of a drawing."""

    label: str
    value: str = ""
    note: str = ""


def around(values: Sequence[float], *, margin: float = 0.04) -> Scale:
    """Return an axis that holds some values and zero, with room at either end."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = margin * ((high - low) or 1.0)
    return Scale(low - room, high + room)


def ticks(scale: Scale, most: int = 6) -> list[float]:
    """Return round numbers on an axis.

    >>> ticks(Scale(-0.3, 2.2)), ticks(Scale(0.0, 47.0))
    ([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 10.0, 20.0, 30.0, 40.0])
    """
    span = scale.high - scale.low
    if span <= 0.0:
        return [scale.low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(each * power for each in (1, 2, 5, 10) if span <= each * power * most)
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """Return an element of SVG or HTML; what is not markup is escaped.

    >>> element("text", "<b>", x="10%", class_="tick", font_size=11.0, y=None)
    Markup('<text x="10%" class="tick" font-size="11">&lt;b&gt;</text>')
    """
    told = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-") if key != "viewBox" else key,
            value if isinstance(value, str) else f"{value:.6g}",
        )
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), told, joined(content))


def joined(pieces: Sequence[str]) -> Markup:
    """Return pieces of a drawing as one."""
    return Markup("").join(map(escape, pieces))


def bar(scale: Scale, start: float, end: float, *, y: float, height: float, tip: str = "", **look: str) -> Markup:
    """Return a bar between two values of an axis, at least so wide that it is seen."""
    left, right = sorted((scale.place(start), scale.place(end)))
    inside = [element("title", tip)] if tip else []
    width = f"{max(right - left, 0.25):.6g}%"
    return element("rect", *inside, x=f"{left:g}%", y=y, width=width, height=height, **look)


def upright(scale: Scale, value: float, *, y1: float, y2: float, look: str = "rule") -> Markup:
    """Return a vertical line at a value of an axis."""
    x = f"{scale.place(value):g}%"
    return element("line", x1=x, x2=x, y1=y1, y2=y2, class_=look)


def level(y: float, *, x1: float = 0.0, x2: float = 100.0, look: str = "rule") -> Markup:
    """Return a horizontal line between two places, in percent."""
    return element("line", x1=f"{x1:g}%", x2=f"{x2:g}%", y1=y, y2=y, class_=look)


def text(words: str, *, x: float, y: float, look: str = "", dx: float | None = None) -> Markup:
    """Return text that starts at a place, ends there in the last sixth of the width, and is about it in between."""
    anchor = "start" if x < 4.0 else "end" if x > 84.0 else "middle"
    return element("text", words, x=f"{x:g}%", y=y, dx=dx, text_anchor=anchor, class_=look or None)


def axis(scale: Scale, *, height: float, unit: str = "", most: int = 6, lines: bool = True) -> Markup:
    """Return round numbers below a drawing of some height, with faint lines above them."""
    places = ticks(scale, most)
    drawn: list[Markup] = []
    for number, value in enumerate(places):
        words = f"{value:g}".replace("-", "\N{MINUS SIGN}") + (unit if number == len(places) - 1 else "")
        drawn.append(text(words, x=scale.place(value), y=height + 14, look="tick"))
        if lines:
            drawn.append(upright(scale, value, y1=0, y2=height + 3))
    return joined(drawn)


def canvas(*content: str, height: float, label: str = "") -> Markup:
    """Return a drawing as wide as its room; with a label it is a picture of its own, without one part of another."""
    told: dict[str, str] = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return element("svg", *content, width="100%", height=height, **told)


def stretched(*content: str, width: float, low: float, high: float, y: float, height: float) -> Markup:
    """Return a drawing whose own units, ``width`` by ``low`` to ``high``, fill its room at any width."""
    return element(
        "svg",
        *content,
        x=0.0,
        y=y,
        width="100%",
        height=height,
        viewBox=f"0 {low:g} {width:g} {high - low:g}",
        preserveAspectRatio="none",
    )


def rows_picture(rows: Sequence[Row], *content: str, height: float, label: str, look: str = "") -> Markup:
    """Return a drawing of rows, with what stands before and behind each.

    Parameters
    ----------
    rows : sequence of Row
        From above, each as high as the class ``look`` of the stylesheet has it.
    *content : str
        The drawing between.
    height : float
        Of the drawing.
    label : str
        What it shows, for those who do not see it.
    look : str
        Empty; ``noted``, where rows have notes; ``cells``, where labels are short.
    """
    labels = [
        element("span", row.label, *([element("small", row.note)] if row.note else []), title=row.label) for row in rows
    ]
    return element(
        "div",
        element("div", *labels, class_="labels"),
        canvas(*content, height=height),
        element("div", *(element("span", row.value) for row in rows), class_="values"),
        class_=f"rows {look}".strip(),
        role="img",
        aria_label=label,
    )
