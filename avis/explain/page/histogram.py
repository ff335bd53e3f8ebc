"""The trial's place among the trials that the calibration was fitted on."""

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from avis.explain.page.part import Part, Table
from avis.explain.page.svg import (
    AGAINST,
    FOR,
    TICK_PX,
    Scale,
    axis,
    canvas,
    element,
    joined,
    level,
    stretched,
    text,
    upright,
)
from avis.explain.page.wording import NBSP, own_evidence, signed
from avis.explain.record import Explanation

NUM_BINS = 48
HEIGHT_PX, MARKS_PX = 130, 34
LISTED = 21
"""Percentiles in the table."""


def calibration_part(explanation: Explanation, *, show_threshold: bool) -> Part | None:
    """Return how ratios of the calibration's trials are spread, with this trial among them; None where unknown."""
    if explanation.calibration is None or any(len(each) < 2 for each in explanation.calibration):
        return None
    kinds = [np.sort(np.asarray(each)) for each in explanation.calibration]
    own = own_evidence(explanation)
    marks = {"this trial": own}
    if show_threshold:
        marks["threshold"] = explanation.threshold
    marked = {name: value for name, value in marks.items() if value is not None}
    at = np.linspace(0.0, 100.0, LISTED)
    rows = [(f"{percent:g}{NBSP}%", *(signed(_percentile(kind, percent)) for kind in kinds)) for percent in at]
    places = ", ".join(f"{name} {signed(value)}" for name, value in marked.items())
    return Part(
        heading="Among the trials of the calibration",
        reading="How the ratios of trials with known answers are spread: full (blue) where one person spoke, outlined "
        "(orange) where two did; this trial among them, all before any cap. It means what they mean only if its "
        "recordings are like theirs.",
        drawing=_picture(
            kinds,
            marked,
            label=f"Log-likelihood ratios of the calibration's trials of both kinds. {places}.",
        ),
        table=Table(("Share of trials below", "One person", "Two people"), rows),
        notes=[_in_words(kinds, own)] if own is not None else [],
    )


def _percentile(kind: NDArray[np.float64], percent: float) -> float:
    return float(np.interp(percent, np.linspace(0.0, 100.0, len(kind)), kind))


def below(kind: NDArray[np.float64], llr: float) -> float:
    """Return which percentage of a kind's trials has a lower ratio, from its percentiles, in order.

    >>> below(np.array([0.0, 1.0, 2.0]), 0.5), below(np.array([0.0, 1.0, 1.0]), 1.0), below(np.array([0.0, 1.0]), 3.0)
    (25.0, 50.0, 100.0)
    """
    first = int(np.searchsorted(kind, llr))
    if first == 0 or first == len(kind):
        return 100.0 if first else 0.0
    step = 100.0 / (len(kind) - 1)
    return float(step * (first - 1 + (llr - kind[first - 1]) / (kind[first] - kind[first - 1])))


def _in_words(kinds: list[NDArray[np.float64]], llr: float) -> str:
    same, different = (below(kind, llr) for kind in kinds)
    return (
        f"Of the calibration's trials of one person {_share(same)} have a lower ratio than this one, of those of two "
        f"people {_share(100 - different)} one as high or higher."
    )


def _share(percent: float) -> str:
    r"""Return a share in words; percentiles tell none and all from a few and most only by so much.

    >>> _share(0.2), _share(12.3), _share(100.0)
    ('less than 1\xa0%', '12\xa0%', 'more than 99\xa0%')
    """
    if percent < 1.0:
        return f"less than 1{NBSP}%"
    return f"more than 99{NBSP}%" if percent > 99.0 else f"{percent:.0f}{NBSP}%"


def _picture(kinds: list[NDArray[np.float64]], marks: dict[str, float], *, label: str) -> Markup:
    values = [*(kind[end] for kind in kinds for end in (0, -1)), *marks.values()]
    room = 0.04 * (max(values) - min(values) or 1.0)
    scale = Scale(min(values) - room, max(values) + room)
    edges = np.linspace(scale.low, scale.high, NUM_BINS + 1)
    shares = np.array([np.diff([below(kind, edge) for edge in edges]) for kind in kinds])
    highest = float(shares.max()) or 1.0
    looks = (
        {"fill": FOR, "fill_opacity": "0.45", "stroke": FOR},
        {"fill": "none", "stroke": AGAINST, "stroke_width": "2"},
    )
    bars = [
        element("path", d=_outline(each / highest), vector_effect="non-scaling-stroke", **look)
        for each, look in zip(shares, looks, strict=True)
    ]
    bottom = HEIGHT_PX + MARKS_PX
    drawn = [
        axis(scale, height=bottom),
        stretched(*bars, width=NUM_BINS, low=0.0, high=1.02, y=MARKS_PX, height=HEIGHT_PX),
        level(bottom),
    ]
    for number, (name, value) in enumerate(marks.items()):
        look = "trial" if number == 0 and name == "this trial" else "dashed"
        y = 12 + 14 * number
        drawn.append(upright(scale, value, y1=y + 3, y2=bottom, look=look))
        drawn.append(text(f"{name} {signed(value)}", x=scale.place(value), y=y, look="halo"))
    return canvas(joined(drawn), height=bottom + TICK_PX, label=label)


def _outline(heights: NDArray[np.float64]) -> str:
    steps = "".join(f"V{1.02 - height:.4f}h1" for height in heights)
    return f"M0 1.02{steps}V1.02"
