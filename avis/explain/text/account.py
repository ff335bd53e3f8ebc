"""All that moved the score, in sentences for who would check it."""

import math
from collections.abc import Iterator
from typing import Literal

from avis.explain.record import Explanation, Matrix
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose, join
from avis.explain.text.result import score

MOST_GAP = 0.05
"""From which share of the evidence missed on integrated gradients say little: Sundararajan, Taly and Yan, 2017."""

UNTOLD, ABSENT = wording.UNTOLD_WORD, wording.ABSENT


def unit(told: Explanation) -> Iterator[Said]:
    """Say what evidence is counted in."""
    yield Said(wording.UNITS[told.unit], ("unit",))


def waterfall(told: Explanation) -> Iterator[Said]:
    """Say every addend of the ratio, and how exactly they add up to it."""
    if not told.waterfall:
        return
    bars = [
        compose(
            wording.BAR,
            part=phrases.quoted(bar.part, f"waterfall/{place}/part"),
            kind=Said(wording.KINDS[bar.kind], (f"waterfall/{place}/kind",)),
            llr=phrases.signed(told, bar.llr, f"waterfall/{place}/llr"),
        )
        for place, bar in enumerate(told.waterfall)
    ]
    yield compose(wording.BARS, bars=join(bars, wording.SEMICOLON))
    if told.llr is not None:
        total = math.fsum(bar.llr for bar in told.waterfall)
        yield compose(
            wording.ADDITIVE,
            parts=phrases.counted(len(bars), wording.PART, "waterfall"),
            sum=phrases.signed(told, total, "waterfall"),
            residual=Said(wording.residual(abs(total - told.llr)), ("waterfall", "llr")),
        )


def segments(told: Explanation) -> Iterator[Said]:
    """Say of each stretch its share, what its removal does, and what else was computed of it."""
    for place, found in enumerate(told.segments):
        path = f"segments/{place}"
        if found.llr is None:
            details = [compose(wording.NO_SHARE, untold=Said(UNTOLD, (f"{path}/llr",)))]
        else:
            details = [compose(wording.SHARE_OF, share=phrases.signed(told, found.llr, f"{path}/llr"))]
        for way, removed in found.removed.items():
            change = phrases.change(removed, wording.plain(removed, told.unit), f"{path}/removed/{way}")
            details.append(compose(wording.REMOVED, removal=Said(wording.REMOVALS[way]), change=change))
        for name, template in (("shapley", wording.SHAPLEY), ("gradient", wording.GRADIENT)):
            value = getattr(found, name)
            if value is not None:
                details.append(compose(template, value=phrases.signed(told, value, f"{path}/{name}")))
        yield compose(wording.SEGMENT, stretch=phrases.segment(told, place), details=join(details, wording.SEMICOLON))
    if told.segments:
        yield Said(wording.SHARES)


def frames(told: Explanation) -> Iterator[Said]:
    """Say whether there is an exact share along time."""
    if told.frames:
        yield compose(wording.FRAMES, recordings=phrases.counted(len(told.frames), wording.RECORDING, "frames"))
    else:
        yield compose(wording.NO_FRAMES, untold=Said(UNTOLD, ("frames",)))


def pairs(told: Explanation) -> Iterator[Said]:
    """Say what pairs of stretches, and of windows, share, or that this cannot be told."""
    yield from _matrix(told, "evidence", told.evidence)
    yield from _matrix(told, "windows", told.windows)


def _matrix(told: Explanation, name: Literal["evidence", "windows"], found: Matrix | None) -> Iterator[Said]:
    if found is None:
        yield compose(wording.NO_PAIRS[name], untold=Said(UNTOLD, (name,)), absent=Said(ABSENT, (name,)))
        return
    items = Said(wording.PAIR_ITEMS[name])
    places = [(row, column) for row, values in enumerate(found.values) for column in range(len(values))]
    largest = max(places, key=lambda place: abs(found.values[place[0]][place[1]]), default=None)
    if largest is not None:
        row, column = largest
        value = found.values[row][column]
        enroll = phrases.side(
            told, "enroll", found.enroll_recording[row], recording_fact=f"{name}/enroll_recording/{row}"
        )
        test = phrases.side(
            told, "test", found.test_recording[column], recording_fact=f"{name}/test_recording/{column}"
        )
        yield compose(
            wording.PAIR,
            items=items,
            enroll=_stretch(found.enroll[row], f"{name}/enroll/{row}", enroll),
            test=_stretch(found.test[column], f"{name}/test/{column}", test),
            value=phrases.signed(told, value, f"{name}/values/{row}/{column}"),
        )
    yield compose(
        wording.PAIRS_SUM,
        items=items,
        rest=phrases.signed(told, found.rest, f"{name}/rest"),
        total=phrases.signed(told, found.total, f"{name}/total"),
    )


def _stretch(ends_s: tuple[float, float], path: str, of: Said) -> Said:
    return phrases.stretch((ends_s[0], f"{path}/0"), (ends_s[1], f"{path}/1"), of)


def gradients(told: Explanation) -> Iterator[Said]:
    """Say how complete integrated gradients are, and where they start from."""
    if told.completeness_gap is None:
        yield compose(wording.NO_GAP, absent=Said(ABSENT, ("completeness_gap",)))
    else:
        template = wording.GAP if told.completeness_gap < MOST_GAP else wording.GAP_LARGE
        yield compose(template, gap=Said(wording.percent(told.completeness_gap), ("completeness_gap",)))
    if told.baseline is not None:
        yield compose(wording.BASELINE, baseline=phrases.signed(told, told.baseline, "baseline"))


def bands(told: Explanation) -> Iterator[Said]:
    """Say what each band of frequencies carries."""
    if not told.bands:
        yield compose(wording.NO_BANDS, absent=Said(ABSENT, ("bands",)))
    for place, band in enumerate(told.bands):
        path = f"bands/{place}"
        yield compose(
            wording.BAND,
            low=phrases.number(band.low_hz, f"{path}/low_hz", decimals=0),
            high=phrases.number(band.high_hz, f"{path}/high_hz", decimals=0),
            side=Said(wording.THE_SIDE[band.side], (f"{path}/side",)),
            change=phrases.change(band.removed, wording.plain(band.removed, told.unit), f"{path}/removed"),
        )


def counterfactuals(told: Explanation) -> Iterator[Said]:
    """Say what changed recordings would come to."""
    if not told.counterfactuals:
        yield compose(wording.NO_COUNTERFACTUALS, absent=Said(ABSENT, ("counterfactuals",)))
    for place, each in enumerate(told.counterfactuals):
        path = f"counterfactuals/{place}"
        if each.llr is None:
            would = Said(wording.UNHEARD, (f"{path}/llr",))
        elif told.unit == "llr":
            would = compose(wording.WOULD_BE, evidence=Said(wording.evidence(each.llr), (f"{path}/llr",)))
        else:
            would = compose(wording.WOULD_SCORE, score=score(each.llr, f"{path}/llr"))
        yield compose(
            wording.COUNTERFACTUAL,
            change=phrases.quoted(each.change, f"{path}/change"),
            would=would,
            outcome=phrases.outcome(each.outcome, f"{path}/outcome"),
        )
