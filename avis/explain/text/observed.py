"""What can be heard, in sentences that claim no cause."""

from collections.abc import Iterator

from avis.explain.record import Attribute, Cohort, Explanation, Guess, Neighbour, SideName
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose
from avis.explain.text.result import score

SIDES: tuple[SideName, ...] = ("enroll", "test")

OF_VOICES = ("f0_median_hz", "f1_hz", "f2_hz", "f3_hz", "f4_hz", "syllable_rate_hz")
"""What is compared without numbers: pitch, formants and tempo, which are less the room's than the others."""

THIRDS = ((100.0 / 3.0, "lower"), (200.0 / 3.0, "middle"))
"""Percentiles up to which a value is in a third of the population; what is above is in the upper one."""

ALIKE = 10.0
"""Two values between which less than this share of the population's speakers lies, in percent, count as alike."""


def attributes(told: Explanation) -> Iterator[Said]:
    """Say what can be heard of both voices, and how common that is."""
    if told.acoustics:
        yield Said(wording.NO_CAUSE)
    for place, attribute in enumerate(told.acoustics):
        path = f"acoustics/{place}"
        enroll, test = (_measured(attribute, path, name) for name in SIDES)
        yield compose(wording.ATTRIBUTE, name=_name(attribute, path), enroll=enroll, test=test)
        if attribute.llr is not None:
            evidence = Said(wording.evidence(attribute.llr), (f"{path}/llr",))
            yield compose(wording.ATTRIBUTE_EVIDENCE, name=_name(attribute, path), evidence=evidence)


def _name(attribute: Attribute, path: str) -> Said:
    return Said(wording.ATTRIBUTES.get(attribute.name, attribute.name), (f"{path}/name",))


def _measured(attribute: Attribute, path: str, name: SideName) -> Said:
    value, percentile = getattr(attribute, name), getattr(attribute, f"{name}_percentile")
    fact, side = f"{path}/{name}", Said(wording.THE_SIDE[name])
    if value is None:
        return compose(wording.UNMEASURED, unmeasured=Said(wording.UNMEASURED_WORD, (fact,)), side=side)
    said = Said(wording.figures(value), (fact,))
    if attribute.unit:
        said = compose(wording.WITH_UNIT, value=said, unit=Said(attribute.unit, (f"{path}/unit",)))
    if percentile is None:
        return compose(wording.MEASURED, value=said, side=side)
    above = phrases.number(percentile, f"{fact}_percentile", decimals=0)
    return compose(wording.MEASURED_AMONG, value=said, side=side, percentile=above)


def guesses(told: Explanation) -> Iterator[Said]:
    """Say what a model guesses of both speakers, and how often such guesses are right."""
    if told.guesses:
        yield Said(wording.NO_EVIDENCE)
    for place, guess in enumerate(told.guesses):
        path = f"guesses/{place}"
        attribute = Said(wording.begun(wording.GUESSED[guess.attribute]), (f"{path}/attribute",))
        yield _guess(guess, path, attribute)
        if guess.attribute not in [each.attribute for each in told.guesses[place + 1 :]]:
            yield compose(
                wording.GUESSED_RIGHT,
                attribute=attribute,
                accuracy=_percent(guess.accuracy, f"{path}/accuracy"),
                ends=_ends(guess.accuracy_interval, f"{path}/accuracy_interval"),
                chance=_percent(guess.chance, f"{path}/chance"),
            )


def _guess(guess: Guess, path: str, attribute: Said) -> Said:
    side = Said(wording.THE_SIDE[guess.side], (f"{path}/side",))
    if guess.value is None or guess.probability is None or guess.interval is None:
        unclear = Said(wording.UNCLEAR_WORD, (f"{path}/value",))
        return compose(wording.UNCLEAR, attribute=attribute, side=side, unclear=unclear)
    return compose(
        wording.GUESS,
        attribute=attribute,
        side=side,
        value=phrases.quoted(guess.value, f"{path}/value"),
        probability=_percent(guess.probability, f"{path}/probability"),
        ends=_ends(guess.interval, f"{path}/interval"),
    )


def _percent(share: float, fact: str) -> Said:
    return Said(wording.percent(share), (fact,))


def _ends(interval: tuple[float, float], path: str) -> Said:
    lower, upper = (_percent(end, f"{path}/{place}") for place, end in enumerate(interval))
    return compose(wording.ENDS, lower=lower, upper=upper)


def compared(told: Explanation) -> Iterator[Said]:
    """Say, without numbers, in which third of the population both voices are, and which is higher."""
    for place, attribute in enumerate(told.acoustics):
        enroll, test = attribute.enroll_percentile, attribute.test_percentile
        if attribute.name in OF_VOICES and enroll is not None and test is not None:
            path = f"acoustics/{place}"
            yield compose(
                wording.COMPARED,
                name=_name(attribute, path),
                enroll=_third(enroll, path, "enroll"),
                test=_third(test, path, "test"),
                relation=Said(_relation(enroll, test), (f"{path}/enroll_percentile", f"{path}/test_percentile")),
            )


def _third(percentile: float, path: str, side: SideName) -> Said:
    third = next((name for most, name in THIRDS if percentile <= most), "upper")
    return Said(wording.THIRDS[third].format(side=wording.THE_SIDE[side]), (f"{path}/{side}_percentile",))


def _relation(enroll: float, test: float) -> str:
    if abs(enroll - test) < ALIKE:
        return wording.ALIKE
    return wording.HIGHER.format(side=wording.THE_SIDE["enroll" if enroll > test else "test"])


def neighbours(told: Explanation) -> Iterator[Said]:
    """Say which voices of the cohort are nearest to either side."""
    if told.cohort is None:
        return
    yield compose(wording.COHORT, voices=phrases.counted(told.cohort.num_voices, wording.VOICE, "cohort/num_voices"))
    for name in SIDES:
        path = f"cohort/{name}_nearest"
        nearest = [_neighbour(each, f"{path}/{place}") for place, each in enumerate(_nearest(told.cohort, name))]
        if nearest:
            side = Said(wording.THE_SIDE[name])
            yield compose(wording.NEAREST, side=side, voices=phrases.listed(nearest))
    yield compose(wording.OVERLAP, voices=phrases.counted(told.cohort.overlap, wording.VOICE, "cohort/overlap"))


def _nearest(cohort: Cohort, name: SideName) -> list[Neighbour]:
    return cohort.enroll_nearest if name == "enroll" else cohort.test_nearest


def _neighbour(found: Neighbour, path: str) -> Said:
    return compose(
        wording.NEIGHBOUR,
        voice=phrases.quoted(found.voice, f"{path}/voice"),
        score=score(found.score, f"{path}/score"),
    )


def rank(told: Explanation) -> Iterator[Said]:
    """Say how many other voices are as like."""
    if told.cohort is not None:
        yield compose(wording.RANK, rank=Said(wording.percent(told.cohort.rank_p), ("cohort/rank_p",)))
