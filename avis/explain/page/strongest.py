"""Which stretches of speech speak most, by the first measure there is of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from avis.explain.record import Segment

EACH_WAY = 3

STRONG = 0.25
"""Of the strongest: what is less is not among them."""


class Weigher(NamedTuple):
    """Weighs segments.

    Attributes
    ----------
    name : str
        What it weighs them by.
    weigh : callable
        Evidence of a segment, or None.
    """

    name: str
    weigh: Callable[[Segment], float | None]


WEIGHERS = (
    Weigher("share of the evidence", lambda segment: segment.llr),
    Weigher("evidence that is lost when it is cut out", lambda segment: segment.removed.get("splice")),
    Weigher(
        "evidence that is lost when it is levelled to the mean spectrum", lambda segment: segment.removed.get("mean")
    ),
    Weigher("evidence that is lost when noise takes its place", lambda segment: segment.removed.get("noise")),
    Weigher("Shapley value", lambda segment: segment.shapley),
    Weigher("integrated gradient", lambda segment: segment.gradient),
)
"""Exact ones first."""


def weigher(segments: Sequence[Segment]) -> Weigher:
    """Return the first way to weigh that is known of any of some segments."""
    return next((each for each in WEIGHERS if any(each.weigh(s) is not None for s in segments)), WEIGHERS[0])


def strongest(segments: Sequence[Segment], by: Weigher) -> list[Segment]:
    """Return at most `EACH_WAY` segments that speak most for one person and as many for two, in their order."""
    weights = [by.weigh(each) or 0.0 for each in segments]
    least = STRONG * max(map(abs, weights), default=0.0)
    order = sorted(range(len(segments)), key=weights.__getitem__)
    against = [number for number in order[:EACH_WAY] if 0.0 > weights[number] <= -least]
    speaking = [number for number in order[-EACH_WAY:] if 0.0 < weights[number] >= least]
    return [segments[number] for number in sorted({*against, *speaking})]
