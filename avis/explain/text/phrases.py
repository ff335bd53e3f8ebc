"""Parts of sentences that several of them share, each with its facts."""

from collections.abc import Sequence

from avis.explain.record import Explanation, Segment, Side, SideName
from avis.explain.text import wording
from avis.explain.text.facts import Said, compose, join
from avis.verifier import verdict


def listed(parts: Sequence[Said]) -> Said:
    """Join by commas and, before the last, an "and"."""
    if len(parts) < 2:
        return join(parts, "")
    return join([join(parts[:-1], wording.COMMA), parts[-1]], wording.AND)


def who(llr: float) -> Said:
    """Say for whom evidence speaks."""
    return Said(wording.ONE if llr >= 0 else wording.TWO)


def number(value: float, fact: str, *, decimals: int) -> Said:
    """Say a number to so many decimals."""
    return Said(wording.number(value, decimals), (fact,))


def quoted(name: str, fact: str) -> Said:
    """Say a name that was given."""
    return Said(wording.quoted(name), (fact,))


def outcome(name: str, fact: str) -> Said:
    """Say an outcome."""
    return Said(wording.OUTCOMES[name], (fact,))


def counted(num: int, noun: str, fact: str) -> Said:
    """Say how many there are."""
    return Said(wording.counted(num, noun), (fact,))


def amount(told: Explanation, value: float, fact: str) -> Said:
    """Say how large evidence is to everyone, as a factor where it is a ratio."""
    return Said(wording.amount(value, told.unit), (fact,))


def signed(told: Explanation, value: float, fact: str) -> Said:
    """Say evidence in its unit."""
    return Said(wording.signed(value, told.unit), (fact,))


def change(removed: float, size: str, fact: str, *, most: bool = False) -> Said:
    """Say by how much, of a size as worded, evidence changes where something is removed."""
    return compose(
        wording.CHANGE_MOST if most else wording.CHANGE,
        verb=Said(wording.FALLS if removed >= 0 else wording.RISES),
        amount=Said(size, (fact,)),
    )


def evidence(told: Explanation, *, template: str) -> Said:
    """Say the ratio, within its interval where there is one."""
    assert told.llr is not None, "a ratio is said where there is one"
    said = Said(wording.evidence(told.llr), ("llr",))
    if told.llr_interval is None:
        return said
    lower, upper = told.llr_interval
    ends = ("llr_interval/0", "llr_interval/1")
    facts = ends[::-1] if lower < upper < 0 else ends
    return compose(template, evidence=said, interval=Said(verdict.between(lower, upper), facts))


def side(
    told: Explanation, name: SideName, recording: int, *, recording_fact: str, side_facts: tuple[str, ...] = ()
) -> Said:
    """Name a side, and which of its recordings where there are several.

    Parameters
    ----------
    told : Explanation
    name, recording
        Of the side.
    recording_fact : str
    side_facts : tuple of str
        Empty where the path of what is said of the side tells which it is.
    """
    said = Said(wording.THE_SIDE[name], side_facts)
    if not recording and not any(each.side == name and each.recording for each in told.sides):
        return said
    return compose(wording.ONE_OF_SEVERAL, recording=Said(f"{recording + 1}", (recording_fact,)), side=said)


def side_of(told: Explanation, element: Segment | Side, path: str) -> Said:
    """Name the side that an element of the record is of."""
    return side(told, element.side, element.recording, recording_fact=f"{path}/recording", side_facts=(f"{path}/side",))


def stretch(start_s: tuple[float, str], end_s: tuple[float, str], of: Said) -> Said:
    """Say where a stretch of a recording lies, by its ends and their facts."""
    return compose(wording.STRETCH, start=number(*start_s, decimals=1), end=number(*end_s, decimals=1), side=of)


def segment(told: Explanation, place: int) -> Said:
    """Say where a segment of the record lies."""
    found, path = told.segments[place], f"segments/{place}"
    return stretch((found.start_s, f"{path}/start_s"), (found.end_s, f"{path}/end_s"), side_of(told, found, path))


def speech(told: Explanation) -> Said:
    """Say how much speech there is in all recordings."""
    return listed(
        [
            compose(
                wording.SPEECH_IN,
                speech=number(each.speech_s, f"sides/{place}/speech_s", decimals=1),
                side=side_of(told, each, f"sides/{place}"),
            )
            for place, each in enumerate(told.sides)
        ]
    )


def ranked(values: Sequence[float | None], *, sign: int) -> list[int]:
    """Return the places of values of a sign, the largest first; None is left out."""
    sizes = {place: sign * value for place, value in enumerate(values) if value is not None and sign * value > 0}
    return sorted(sizes, key=lambda place: -sizes[place])
