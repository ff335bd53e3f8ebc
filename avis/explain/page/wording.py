"""How numbers, places and sides of an explanation are put into words on its page."""

import math
from collections.abc import Iterable

from avis.explain.record import Explanation, Segment, Side, SideName, Unit
from avis.verifier.verdict import Outcome

MINUS, DASH, UNKNOWN, NBSP = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{EM DASH}", "\N{NO-BREAK SPACE}"

SIDES: dict[SideName, str] = {"enroll": "Enrolment", "test": "Test"}
UNITS: dict[Unit, str] = {"llr": "log-likelihood ratio", "score": "score"}
"""What evidence is counted in."""

OUTCOMES: dict[Outcome, str] = {
    "match": "Same speaker",
    "no_match": "Different speakers",
    "unsure": "Unsure",
    "not_heard": "Not heard",
}
"""Outcomes as a verdict spells them."""


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals tell some values of a kind apart: at least three digits of the largest, 2 to 5 decimals.

    >>> decimals([0.5, -12.0]), decimals([0.034]), decimals([])
    (2, 4, 2)
    """
    largest = max((abs(value) for value in values), default=0.0)
    return min(max(2 - math.floor(math.log10(largest)), 2), 5) if largest else 2


def signed(value: float, digits: int = 2) -> str:
    """Return evidence as text; what rounds to zero has no sign.

    >>> signed(0.456), signed(-0.004)
    ('+0.46', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if not float(text) else text.replace("-", MINUS)


def signed_or_dash(value: float | None, digits: int = 2) -> str:
    """Return evidence as text, or a dash where there is none."""
    return UNKNOWN if value is None else signed(value, digits)


def plain(value: float | None) -> str:
    """Return a measured value in three digits, or a dash where there is none.

    >>> plain(1234.5), plain(12.345), plain(-0.0512), plain(0.0), plain(None)
    ('1,234', '12.3', '−0.051', '0', '—')
    """
    if value is None:
        return UNKNOWN
    digits = min(max(2 - math.floor(math.log10(abs(value))), 0), 3) if value else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)


def seconds(start_s: float, end_s: float, digits: int = 1) -> str:
    r"""Return a stretch as text.

    >>> seconds(0.0, 1.234)
    '0.0–1.2\xa0s'
    """
    return f"{start_s:.{digits}f}{DASH}{end_s:.{digits}f}{NBSP}s"


def side_name(explanation: Explanation, side: SideName, recording: int) -> str:
    """Return what a recording is called; recordings count from 1 where a side has several."""
    several = sum(each.side == side for each in explanation.sides) > 1
    return f"{SIDES[side]} {recording + 1}" if several else SIDES[side]


def place(explanation: Explanation, segment: Segment) -> str:
    """Return where a segment lies, such as ``Test 0.0–1.2 s``."""
    return f"{side_name(explanation, segment.side, segment.recording)} {seconds(segment.start_s, segment.end_s)}"


def path_of(side: Side) -> str:
    """Return what a recording was given as."""
    return side.name or f"a recording without a name ({side.sha256[:12]})"


def own_evidence(explanation: Explanation) -> float | None:
    """Return the trial's evidence before any cap, as other trials and voices have it; None without score."""
    if explanation.llr is not None:
        return explanation.llr - sum(bar.llr for bar in explanation.waterfall if bar.kind == "cap")
    return explanation.score if explanation.score_norm is None else explanation.score_norm


def rank(num_voices: int, rank_p: float) -> str:
    """Say how many other voices are as like the test as the enrolment is.

    >>> rank(312, 1 / 313)
    'Of 312 other voices none is at least as like the test as the enrolment is (rank p = 0.0032).'
    >>> rank(1200, 9 / 1201)
    'Of 1,200 other voices 8 are at least as like the test as the enrolment is (rank p = 0.0075).'
    """
    num = round(rank_p * (num_voices + 1)) - 1
    many = "none is" if num < 1 else "1 is" if num == 1 else f"{num:,} are"
    return (
        f"Of {num_voices:,} other voices {many} at least as like the test as the enrolment is (rank p = {rank_p:.2g})."
    )
