"""What came of a trial, in sentences."""

import math
from collections.abc import Iterator

from scipy.special import expit

from avis.explain.record import Explanation
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose
from avis.verifier.verdict import times

SAME_BOUND = 1e-5
"""Ratios are float32, of which a bound is the nearest: those that differ less are called equal."""

NEVER = 1e-15
"""No probability is nought or one, whatever rounding makes of it."""


def decision(told: Explanation) -> Iterator[Said]:
    """Say the outcome, and what it rests on."""
    outcome = phrases.outcome(told.outcome, "outcome")
    if told.outcome == "not_heard":
        if told.sides:
            yield compose(wording.NOT_HEARD, outcome=outcome, speech=phrases.speech(told))
        else:
            yield compose(wording.NOT_HEARD_AT_ALL, outcome=outcome)
    elif told.llr is not None:
        yield compose(
            wording.UNDECIDED if told.outcome == "unsure" else wording.DECIDED,
            outcome=outcome,
            evidence=phrases.evidence(told, template=wording.WITH_INTERVAL),
            decision=Said(wording.DECISIONS.get(told.outcome, ""), ("outcome",)),
            threshold=Said(times(told.threshold), ("threshold",)),
        )
    elif (final := final_score(told)) is not None:
        yield compose(wording.UNCALIBRATED, outcome=outcome, score=score(*final))
    else:
        yield compose(wording.OUTCOME, outcome=outcome)


def final_score(told: Explanation) -> tuple[float, str] | None:
    """Return the score that is decided by, normalised where it is, and its fact."""
    if told.score_norm is not None:
        return told.score_norm, "score_norm"
    return None if told.score is None else (told.score, "score")


def score(value: float, fact: str) -> Said:
    """Say a score of the back-end."""
    return phrases.number(value, fact, decimals=3)


def capped(told: Explanation) -> Iterator[Said]:
    """Say that the ratio is as large as the calibration bears out, where it is."""
    if told.llr is None or told.llr_bounds is None:
        return
    for place in (1, 0):
        bound = told.llr_bounds[place]
        if math.isclose(told.llr, bound, rel_tol=SAME_BOUND, abs_tol=SAME_BOUND):
            ratio = Said(times(abs(bound)), (f"llr_bounds/{place}",))
            said = compose(wording.BOUND, times=ratio, who=phrases.who(bound))
            yield compose(wording.CAPPED, capped=Said(wording.CAPPED_WORD, ("llr",)), bound=said)
            return


def ratio(told: Explanation) -> Iterator[Said]:
    """Say the ratio without deciding anything, or why there is none."""
    none = Said(wording.NO_RATIO, ("llr",))
    if told.llr is not None:
        yield compose(wording.RATIO, evidence=phrases.evidence(told, template=wording.WITH_LEVEL))
    elif told.outcome == "not_heard" and told.sides:
        yield compose(wording.NO_RATIO_UNHEARD, none=none, speech=phrases.speech(told))
    elif told.unit == "score":
        yield compose(wording.NO_RATIO_UNCALIBRATED, none=none)
    else:
        yield compose(wording.OUTCOME, outcome=none)


def direction(told: Explanation) -> Iterator[Said]:
    """Say for whom the evidence speaks, and nothing of how much."""
    if told.llr is not None:
        yield compose(wording.DIRECTION, who=Said(phrases.who(told.llr).text, ("llr",)))


def verbal(told: Explanation) -> Iterator[Said]:
    """Say the ratio by the verbal scale."""
    if told.llr is not None and told.verbal:
        yield compose(wording.VERBAL, verbal=phrases.quoted(told.verbal, "verbal"))


def posterior(told: Explanation) -> Iterator[Said]:
    """Say how probable it is now that one person spoke, where it was said how probable that was before."""
    if told.llr is not None and told.prior is not None:
        log_odds = told.llr + math.log(told.prior) - math.log1p(-told.prior)
        now = wording.percent(min(max(float(expit(log_odds)), NEVER), 1.0 - NEVER))
        yield compose(
            wording.POSTERIOR,
            prior=Said(wording.percent(told.prior), ("prior",)),
            posterior=Said(now, ("llr", "prior")),
        )


def propositions(_: Explanation) -> Iterator[Said]:
    """Say what is weighed against what."""
    yield Said(wording.PROPOSITIONS)


def population(told: Explanation) -> Iterator[Said]:
    """Say of whom another person would be one."""
    if told.unit == "score" or told.llr is None:
        return
    if told.num_calibration_speakers is None:
        yield compose(wording.POPULATION_UNKNOWN, unknown=Said(wording.UNKNOWN, ("num_calibration_speakers",)))
    else:
        yield compose(wording.POPULATION, speakers=calibration_speakers(told.num_calibration_speakers))
    yield Said(wording.POPULATION_TO_JUDGE)


def calibration_speakers(num: int) -> Said:
    """Say on how many speakers the calibration was fitted."""
    return phrases.counted(num, wording.SPEAKER, "num_calibration_speakers")


def limits_of_ratio(told: Explanation) -> Iterator[Said]:
    """Say what a ratio does not tell."""
    if told.llr is not None:
        yield Said(wording.RATIO_ONLY)


def scores(told: Explanation) -> Iterator[Said]:
    """Say the back-end's scores, and the ratio in logarithms."""
    if told.score is not None:
        yield compose(wording.SCORE, score=score(told.score, "score"))
    if told.score_norm is not None:
        yield compose(wording.SCORE_NORM, score=score(told.score_norm, "score_norm"))
    if told.llr is not None:
        yield compose(
            wording.LOG_RATIO,
            llr=Said(wording.signed(told.llr, "llr"), ("llr",)),
            threshold=Said(wording.signed(told.threshold, "llr"), ("threshold",)),
        )


def model(told: Explanation) -> Iterator[Said]:
    """Say by which model."""
    if told.model:
        yield compose(wording.MODEL, model=phrases.quoted(told.model, "model"))
