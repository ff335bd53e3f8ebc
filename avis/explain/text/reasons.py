"""What moved the score most, in sentences for everyone."""

from collections.abc import Iterator

from avis.explain.record import Explanation, Removal
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose

MOST_STRETCHES = 2
"""That are named for one speaker, and for two."""

NOT_OF_SPEECH = ("quality", "normalisation", "model")
"""Kinds of bars that are of a trial, yet of no stretch of speech."""

LEAST_WEIGHT = 0.1
"""Of what is told: a factor of 1.1."""


def start(told: Explanation) -> Iterator[Said]:
    """Say what shares of speech are added to, without which they cannot be judged."""
    for place, bar in enumerate(told.waterfall):
        if bar.kind == "offset":
            amount = phrases.amount(told, bar.llr, f"waterfall/{place}/llr")
            yield compose(wording.START, amount=amount, who=phrases.who(bar.llr))


def stretches(told: Explanation) -> Iterator[Said]:
    """Say which stretches speak most for one speaker and for two, and what happens without them."""
    shares = [each.llr for each in told.segments]
    if all(share is None for share in shares):
        if told.segments:
            yield compose(wording.UNTOLD, untold=Said(wording.UNTOLD_WORD, ("segments",)))
            yield from _removed_most(told)
        return
    for sign in (1, -1):
        strongest = phrases.ranked(shares, sign=sign)
        if not strongest:
            yield compose(wording.NO_STRETCH, none=Said(wording.NO_STRETCH_HAS, ("segments",)), who=phrases.who(sign))
        worth_telling = [place for place in strongest[:MOST_STRETCHES] if _weighs(told, shares[place])]
        for template, place in zip((wording.STRONGEST, wording.NEXT), worth_telling, strict=False):
            yield _share(told, template, place)
    yield Said(wording.SHARES)


def _weighs(told: Explanation, value: float | None) -> bool:
    return value is not None and (told.unit == "score" or abs(value) >= LEAST_WEIGHT)


def _share(told: Explanation, template: str, place: int) -> Said:
    segment = told.segments[place]
    assert segment.llr is not None, "a share is told where there is one"
    return compose(
        template,
        who=phrases.who(segment.llr),
        amount=phrases.amount(told, segment.llr, f"segments/{place}/llr"),
        stretch=phrases.segment(told, place),
        removal=_removal(told, place),
    )


def _removal(told: Explanation, place: int) -> Said:
    ways = list(told.segments[place].removed.items())
    if not ways or not _weighs(told, ways[0][1]):
        return Said("")
    way, removed = ways[0]
    return compose(wording.AND_REMOVED, removal=Said(wording.REMOVALS[way]), change=_change(told, place, way, removed))


def _change(told: Explanation, place: int, way: Removal, removed: float, *, most: bool = False) -> Said:
    size = wording.amount(removed, told.unit)
    return phrases.change(removed, size, f"segments/{place}/removed/{way}", most=most)


def _removed_most(told: Explanation) -> Iterator[Said]:
    """Say without which stretch the evidence falls most, and rises most, by the first way of removal."""
    ways = next((list(each.removed) for each in told.segments if each.removed), [])
    for way in ways[:1]:
        effects = [each.removed.get(way) for each in told.segments]
        for sign in (1, -1):
            for place in phrases.ranked(effects, sign=sign)[:1]:
                removed = told.segments[place].removed[way]
                yield compose(
                    wording.REMOVED_MOST,
                    stretch=phrases.segment(told, place),
                    removal=Said(wording.REMOVALS[way]),
                    change=_change(told, place, way, removed, most=True),
                )


def beside_speech(told: Explanation) -> Iterator[Said]:
    """Say what weighs most of what is of no stretch."""
    weights = [abs(bar.llr) if bar.kind in NOT_OF_SPEECH else None for bar in told.waterfall]
    for place in phrases.ranked(weights, sign=1)[:1]:
        bar = told.waterfall[place]
        if _weighs(told, bar.llr):
            yield compose(
                wording.WEIGHS_MOST,
                part=phrases.quoted(bar.part, f"waterfall/{place}/part"),
                amount=phrases.amount(told, bar.llr, f"waterfall/{place}/llr"),
                who=phrases.who(bar.llr),
            )


def otherwise(told: Explanation) -> Iterator[Said]:
    """Say with which changes the trial would come out otherwise."""
    for place, each in enumerate(told.counterfactuals):
        if each.outcome != told.outcome:
            path = f"counterfactuals/{place}"
            yield compose(
                wording.OTHERWISE,
                change=phrases.quoted(each.change, f"{path}/change"),
                outcome=phrases.outcome(each.outcome, f"{path}/outcome"),
            )
