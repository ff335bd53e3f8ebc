"""What came of comparing two recordings."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NoReturn

from avis.scoring.calibration import MAX_SPEECH_S

Outcome = Literal["match", "no_match", "unsure", "not_heard"]

MOST_SPELT = math.log(1e15)
"""Ratios beyond are told as powers of ten."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of comparing two recordings.

    Attributes
    ----------
    outcome : {"match", "no_match", "unsure", "not_heard"}
        ``unsure`` where the interval of the ratio holds the threshold, which that of recordings unlike all that were
        calibrated on always does, as with less speech; or where the calibration bears out no decision at the threshold.
        ``not_heard`` where a side has too little speech for any answer.
    llr : float or None
        Natural-log likelihood ratio: how many times likelier the recordings are if one person spoke both. None where
        there is none.
    llr_interval : (float, float) or None
        Where it lies with other calibration speakers, capped, at 95 %; see
        `avis.scoring.calibration.Calibration.interval`.
    llr_bounds : (float, float) or None
        Beyond which no ratio goes, as the calibration bears none out.
    score : float or None
        Of the back-end, normalised if it normalises.
    threshold : float
        Of log-likelihood ratios, from which on there is a match.
    speech_s : (float, float)
        Seconds of speech on either side.
    quality : (mapping, mapping)
        See `avis.audio.quality.measure`.
    warnings : tuple of str
        What speaks against relying on it.
    """

    outcome: Outcome
    llr: float | None
    llr_interval: tuple[float, float] | None
    llr_bounds: tuple[float, float] | None
    score: float | None
    threshold: float
    speech_s: tuple[float, float]
    quality: tuple[Mapping[str, float | None], Mapping[str, float | None]]
    warnings: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a verdict is neither true nor false: got it where a truth value is asked for, expected its outcome, of "
            "which there are four. At bool(verdict). Compare verdict.outcome == 'match'."
        )

    def probability(self, prior: float) -> float | None:
        """Return the probability that one person spoke both, given how probable that was before; None without a ratio.

        >>> verdict = Verdict(outcome="match", llr=math.log(99), llr_interval=(4, 5), llr_bounds=(-5, 5), score=0.7,
        ...                   threshold=0.0, speech_s=(3.0, 4.0), quality=({}, {}), warnings=())
        >>> round(verdict.probability(0.01), 6), round(verdict.probability(0.5), 6)
        (0.5, 0.99)
        """
        if not (isinstance(prior, float | int) and 0.0 < prior < 1.0):
            raise ValueError(f"prior out of range: got {prior}, expected 0 < prior < 1. At probability. Correct it.")
        if self.llr is None:
            return None
        return 0.5 * (1.0 + math.tanh((self.llr + math.log(prior) - math.log1p(-prior)) / 2))

    def plain(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [_in_words(self), *(f"warning: {warning}" for warning in self.warnings)]
        return "\n".join(lines)


def _in_words(verdict: Verdict) -> str:
    if verdict.outcome == "not_heard":
        return f"Not heard: {_seconds(verdict)} of speech, which is too little for an answer."
    if verdict.llr is None or verdict.llr_interval is None:
        return f"Unsure: a score of {verdict.score:.3f}, which nothing was calibrated to tell the meaning of."
    said = f"the evidence is {evidence(verdict.llr)} ({between(*verdict.llr_interval)})"
    threshold = f"your threshold of {times(verdict.threshold)}"
    if verdict.outcome == "match":
        return f"Same speaker: {said}. Accepted at {threshold}."
    if verdict.outcome == "no_match":
        return f"Different speakers: {said}. Rejected at {threshold}."
    more = f" More speech may help: there are {_seconds(verdict)}." if min(verdict.speech_s) < MAX_SPEECH_S else ""
    return f"Unsure: {said}, which leaves open on which side of {threshold} it is.{more}"


def _seconds(verdict: Verdict) -> str:
    return " and ".join(f"{each:.1f} s" for each in verdict.speech_s)


def evidence(llr: float) -> str:
    """Say what a log-likelihood ratio means.

    >>> evidence(math.log(853)), evidence(-math.log(20))
    ('850 times more likely if one person spoke', '20 times more likely if two people spoke')
    """
    return f"{times(abs(llr))} times more likely if {'one person' if llr >= 0 else 'two people'} spoke"


def between(lower: float, upper: float) -> str:
    """Say an interval of log-likelihood ratios.

    >>> between(math.log(90), math.log(8000)), between(-math.log(30), -math.log(2)), between(-1.0, 2.0)
    ('between 90 and 8,000', 'between 2 and 30', 'between 2.7 for two people and 7.4 for one')
    """
    if lower == upper:
        return "as strong as the calibration bears out"
    if lower < 0 <= upper:
        return f"between {times(-lower)} for two people and {times(upper)} for one"
    least, most = sorted((abs(lower), abs(upper)))
    return f"between {times(least)} and {times(most)}"


def times(llr: float) -> str:
    """Say a ratio in two digits, or as a power of ten where there would be too many.

    >>> times(math.log(853)), times(0.0), times(math.log(2.34)), times(1000.0)
    ('850', '1', '2.3', '10^434')
    """
    if abs(llr) > MOST_SPELT:
        return f"10^{round(llr / math.log(10))}"
    ratio = math.exp(llr)
    digits = 1 - math.floor(math.log10(ratio))
    return f"{round(ratio, digits):,.{max(0, digits)}f}".removesuffix(".0")
