"""How far to trust a trial, in sentences."""

from collections.abc import Iterator

from avis.explain.record import Explanation, Side
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose, join
from avis.explain.text.result import calibration_speakers
from avis.verifier.verifier import UNDECIDED


def sides(told: Explanation) -> Iterator[Said]:
    """Say how each recording was heard; how long it is, a voiceprint alone does not tell."""
    for place, each in enumerate(told.sides):
        path = f"sides/{place}"
        details = [_seconds(wording.SPEECH, each.speech_s, f"{path}/speech_s")]
        if each.duration_s:
            details.insert(0, _seconds(wording.DURATION, each.duration_s, f"{path}/duration_s"))
        for name, template in wording.QUALITY.items():
            value = each.quality.get(name)
            if value is not None:
                said = Said(wording.quality(name, value), (f"{path}/quality/{name}",))
                details.append(compose(template, value=said))
        yield compose(wording.SIDE, side=_named(told, each, path), details=join(details, wording.COMMA))


def _seconds(template: str, value: float, fact: str) -> Said:
    return compose(template, value=phrases.number(value, fact, decimals=1))


def _named(told: Explanation, each: Side, path: str) -> Said:
    said = phrases.side_of(told, each, path)
    if not each.name:
        return said
    return compose(wording.NAMED, side=said, name=phrases.quoted(each.name, f"{path}/name"))


def speech(told: Explanation) -> Iterator[Said]:
    """Say how much speech there is, where an answer was given."""
    if told.sides and told.outcome != "not_heard":
        yield compose(wording.HEARD, speech=phrases.speech(told))


def calibration(told: Explanation) -> Iterator[Said]:
    """Say on how many speakers the calibration was fitted."""
    if told.unit == "llr" and told.num_calibration_speakers is not None:
        yield compose(wording.CALIBRATED_ON, speakers=calibration_speakers(told.num_calibration_speakers))


def validation(told: Explanation) -> Iterator[Said]:
    """Say how often the calibration's own trials mislead, and how many came out as this one or further.

    Percentiles tell shares up to a step: what is said is the most that they may be.
    """
    if told.calibration is None or len(told.calibration) < 2 or not all(len(each) > 1 for each in told.calibration):
        return
    targets, nontargets = told.calibration[:2]
    yield compose(
        wording.MISLEADING,
        targets=_at_most(share_below(targets, 0.0), "calibration/0"),
        nontargets=_at_most(share_below([-llr for llr in nontargets], 0.0, or_equal=True), "calibration/1"),
    )
    if told.llr is not None:
        high = told.llr >= 0
        ratios, which = (nontargets, 1) if high else (targets, 0)
        share = share_below([-llr for llr in ratios] if high else ratios, -abs(told.llr), or_equal=True)
        share_as_far = _at_most(share, f"calibration/{which}", "llr")
        yield compose(wording.AS_HIGH if high else wording.AS_LOW, share=share_as_far)
    yield Said(wording.FITTED)


def share_below(percentiles: list[float], llr: float, *, or_equal: bool = False) -> float:
    """Return the most that the share of values below, or at most, a ratio may be, by equally spaced percentiles.

    >>> share_below([-2.0, -1.0, 0.0, 1.0, 2.0], -0.5), share_below([0.0, 1.0], 0.0), share_below([0.0, 1.0], 3.0)
    (0.5, 0.0, 1.0)
    """
    ordered = sorted(percentiles)
    num = sum(each < llr or (or_equal and each == llr) for each in ordered)
    return min(num / (len(ordered) - 1), 1.0)


def _at_most(share: float, *facts: str) -> Said:
    said = wording.AT_MOST.format(share=wording.percent(share)) if share else wording.NONE
    return Said(said, facts)


def warnings(told: Explanation) -> Iterator[Said]:
    """Say what was warned of."""
    for place, warning in enumerate(told.warnings):
        yield Said(warning, (f"warnings/{place}",))


def warnings_of_evidence(told: Explanation) -> Iterator[Said]:
    """Say what was warned of, but that nothing can be decided."""
    return (each for each in warnings(told) if not each.text.startswith(UNDECIDED))


def limits(told: Explanation) -> Iterator[Said]:
    """Say for what a ratio holds."""
    if told.llr is not None:
        yield Said(wording.VALIDITY)
