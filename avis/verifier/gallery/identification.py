"""Who of many people it is that speaks in a recording, if it is one of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from avis.metrics.operating_point import OperatingPoint
from avis.verifier.embedder import Voiceprint
from avis.verifier.gallery.people import People
from avis.verifier.outside import outside
from avis.verifier.verdict import between, evidence, times
from avis.verifier.verifier import Verifier

RANKED = 20
"""People who are looked at more closely, and may be told."""

Named = Literal["match", "not_enrolled", "unsure", "not_heard"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A person who may be the one that speaks.

    Attributes
    ----------
    speaker : str
    score : float
        Of the back-end, normalised if it normalises.
    llr, llr_interval
        As in `avis.verifier.verdict.Verdict`; None without calibration.
    """

    speaker: str
    score: float
    llr: float | None
    llr_interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Identification:
    """Who it is that speaks.

    Attributes
    ----------
    outcome : {"match", "not_enrolled", "unsure", "not_heard"}
        ``match``: the first of the candidates; ``not_enrolled``: none of them. ``unsure`` where the interval of the
        first's ratio holds the threshold (see `avis.verifier.verdict.Verdict`), or another is as likely, or the
        calibration bears out no decision at the threshold; ``not_heard`` where there is too little speech.
    speaker : str or None
        Who it is, in a match.
    candidates : tuple of Candidate
        The likeliest people, first the likeliest.
    margin : float or None
        By how much the first's log-likelihood ratio exceeds the second's.
    threshold : float or None
        Of log-likelihood ratios, from which on there is a match: see `decide`.
    num_enrolled : int
        People among whom it was looked for.
    speech_s, quality
        Of the recording.
    warnings : tuple of str
        What speaks against relying on it.
    """

    outcome: Named
    speaker: str | None
    candidates: tuple[Candidate, ...]
    margin: float | None
    threshold: float | None
    num_enrolled: int
    speech_s: float
    quality: Mapping[str, float | None]
    warnings: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "an identification is neither true nor false: got it where a truth value is asked for, expected its "
            "outcome, of which there are four. At bool(identification). Compare identification.outcome == 'match'."
        )

    def plain(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([_in_words(self), *(f"warning: {warning}" for warning in self.warnings)])


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The likeliest of many people, and how likely they are all together.

    Attributes
    ----------
    candidates : list of Candidate
        The likeliest first.
    uncapped : list of (float, float)
        The intervals of their ratios, not capped; empty without calibration.
    sum_of_ratios : float
        Of the likelihood ratios of all people.
    num_people : int
    outside : list of str
        What of the likeliest candidate of whom there is anything to say lies outside of what was calibrated.
    """

    candidates: list[Candidate]
    uncapped: list[tuple[float, float]]
    sum_of_ratios: float
    num_people: int
    outside: list[str] = field(default_factory=list)


def rank(verifier: Verifier, people: Iterable[People], heard: Voiceprint, *, without: str | None = None) -> Ranking:
    """Compare everybody with a recording, and rank `RANKED` by their ratio or, without calibration, their score.

    Parameters
    ----------
    verifier : Verifier
    people : iterable of People
        Some of them at a time.
    heard : Voiceprint
        The recording's, with an embedding.
    without : str or None
        Who is left out.
    """
    assert heard.embedding is not None, "who is ranked for was heard"
    comparison = verifier.comparison
    test = comparison.sides(heard.embedding[None], np.array([heard.speech_s]))
    calibration, ranked = comparison.calibration, list[tuple[float, str, Any, Any]]()
    sum_of_ratios, num_people = 0.0, 0
    for names, sides in ((each.names, each.sides) for each in people if len(each.names)):
        scores, features = comparison.scores(sides, test), comparison.features(sides, test)
        order = scores if calibration is None else calibration.uncapped_llr(scores, features)
        left_out = -1 if without is None else names.index(without).as_py()
        if left_out >= 0:
            order[left_out] = -np.inf
        if calibration is not None:
            ratios = np.exp(calibration.cap(order))
            sum_of_ratios += float(ratios.sum(dtype=np.float64)) - (float(ratios[left_out]) if left_out >= 0 else 0.0)
        num_people += len(names) - (left_out >= 0)
        likely = _likeliest(order, RANKED, ranked[-1][0] if len(ranked) == RANKED else -np.inf)
        ranked += [(float(order[at]), names[at].as_py(), scores[at : at + 1], features[at : at + 1]) for at in likely]
        ranked = sorted(ranked, key=lambda each: (-each[0], each[1]))[:RANKED]
    candidates, uncapped, beyond = [], [], list[str]()
    for _, name, score, features in ranked:
        told: dict[str, Any] = {"speaker": name, "score": float(score[0]), "llr": None, "llr_interval": None}
        if calibration is not None:
            interval = calibration.interval(score, features)
            uncapped.append((float(interval[0][0]), float(interval[1][0])))
            told["llr"] = float(calibration.llr(score, features)[0])
            told["llr_interval"] = tuple(float(calibration.cap(each)[0]) for each in interval)
            beyond = beyond or [*outside(calibration, features, beside=name)]
        candidates.append(Candidate(**told))
    return Ranking(
        candidates=candidates,
        uncapped=uncapped,
        sum_of_ratios=sum_of_ratios,
        num_people=num_people,
        outside=beyond,
    )


def _likeliest(order: NDArray[np.floating], most: int, least: float) -> NDArray[np.int64]:
    """Return the numbers of the ``most`` highest values that are above ``least``."""
    above = np.flatnonzero(order > least)
    return above if len(above) <= most else above[np.argpartition(order[above], -most)[-most:]]


def threshold_among(ranking: Ranking, point: OperatingPoint) -> float:
    """Return the log-likelihood ratio from which on naming the first costs less than naming nobody.

    The speaker is one of those enrolled with the operating point's ``p_target``, each as likely as another. Naming a
    wrong person costs ``c_fa``, and missing the right one ``c_miss``, whether somebody else is named or nobody. So the
    more people there are and the likelier the others, the more it takes; with one person it is the threshold of a
    trial.

    References
    ----------
    Brümmer and de Villiers, "The Speaker Partitioning Problem", Odyssey 2010 (open-set identification as a decision
    among hypotheses).

    Examples
    --------
    >>> one = Candidate(speaker="anna", score=0.9, llr=3.0, llr_interval=(2.0, 4.0))
    >>> alone = Ranking(candidates=[one], uncapped=[(2.0, 4.0)], sum_of_ratios=math.exp(3), num_people=1)
    >>> round(threshold_among(alone, OperatingPoint(0.01)), 4) == round(OperatingPoint(0.01).threshold, 4)
    True

    Of ten, of whom a second is as likely as the first and the others are not, at even odds:

    >>> ten = Ranking(candidates=[one], uncapped=[(2.0, 4.0)], sum_of_ratios=2 * math.exp(3), num_people=10)
    >>> round(math.exp(threshold_among(ten, OperatingPoint(0.5))) - math.exp(3), 4)
    10.0
    """
    first = ranking.candidates[0].llr
    assert first is not None, "ratios have a calibration"
    others = max(0.0, ranking.sum_of_ratios - float(np.exp(np.float32(first))))
    return math.log(ranking.num_people * math.exp(point.threshold) + point.c_fa / point.c_miss * others)


def decide(ranking: Ranking, point: OperatingPoint, bounds: tuple[float, float]) -> tuple[Named, float | None]:
    """Return what a ranking comes to, and at which threshold; without calibration it is unsure of everything.

    It is none of them where they are not likely enough all together, those ranked at the upper ends of their intervals.
    """
    if not ranking.uncapped:
        return "unsure", None
    threshold, least = threshold_among(ranking, point), point.threshold + math.log(ranking.num_people)
    if bounds[0] < threshold < bounds[1] and ranking.uncapped[0][0] >= threshold:
        return "match", threshold
    ranked = sum(math.exp(each.llr) for each in ranking.candidates if each.llr is not None)
    upper = sum(math.exp(upper) for _, upper in ranking.uncapped)
    if bounds[0] < least < bounds[1] and math.log(max(0.0, ranking.sum_of_ratios - ranked) + upper) < least:
        return "not_enrolled", threshold
    return "unsure", threshold


def _in_words(found: Identification) -> str:
    among = f"{found.num_enrolled:,} enrolled"
    if found.outcome == "not_heard":
        return f"Not heard: {found.speech_s:.1f} s of speech, which is too little for an answer."
    first, *others = found.candidates
    if first.llr is None or first.llr_interval is None:
        return f"Unsure: nearest of {among} is {first.speaker}, by a score that nothing was calibrated to tell of."
    said = f"the evidence is {evidence(first.llr)} ({between(*first.llr_interval)})"
    second = f" Next is {others[0].speaker}, {_behind(found.margin)}." if others else ""
    if found.outcome == "match":
        return f"{first.speaker}, of {among}: {said}.{second}"
    if found.outcome == "not_enrolled":
        return f"None of {among}: for the likeliest, {first.speaker}, {said}."
    needed = f"among so many it takes {times(found.threshold or 0.0)}"
    return f"Unsure: the likeliest of {among} is {first.speaker}; {said}, and {needed}.{second}"


def _behind(margin: float | None) -> str:
    return "no less likely" if not margin else f"{times(margin)} times less likely"
