"""What the record itself warns of, beside the warnings that a verdict gave."""

from collections.abc import Iterator

from avis.explain.record import Explanation
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose
from avis.verifier.verifier import CLIPPED

LEAST_SPEECH_S = 3.0
"""Of a side, in all its recordings."""

LEAST_CLIPPED = 0.001
"""Share of samples at full scale from which on it is told; from `avis.verifier.verifier.CLIPPED` on a verdict does."""

MOST_UNLIKE_DB = 10.0
"""Between the speech-to-noise ratios of both sides."""

LEAST_ALIKE_BAND = 0.75
"""Of the wider band, that the narrower one has."""


def cautions(told: Explanation) -> Iterator[Said]:
    """Say what speaks against relying on the result."""
    yield from _little_speech(told)
    yield from _clipped(told)
    yield from _unlike(told, "snr_db")
    yield from _unlike(told, "bandwidth_hz")
    yield from _same_recording(told)


def _little_speech(told: Explanation) -> Iterator[Said]:
    if told.outcome == "not_heard":
        return
    for name in ("enroll", "test"):
        places = [place for place, each in enumerate(told.sides) if each.side == name]
        if places and sum(told.sides[place].speech_s for place in places) < LEAST_SPEECH_S:
            for place in places:
                speech = phrases.number(told.sides[place].speech_s, f"sides/{place}/speech_s", decimals=1)
                yield compose(wording.LITTLE_SPEECH, speech=speech, side=_side(told, place))


def _side(told: Explanation, place: int) -> Said:
    return phrases.side_of(told, told.sides[place], f"sides/{place}")


def _clipped(told: Explanation) -> Iterator[Said]:
    for place, each in enumerate(told.sides):
        share = each.quality.get("clip_ratio")
        if share is not None and LEAST_CLIPPED < share <= CLIPPED:
            said = Said(wording.percent(share), (f"sides/{place}/quality/clip_ratio",))
            yield compose(wording.CLIPPED, share=said, side=_side(told, place))


def _unlike(told: Explanation, name: str) -> Iterator[Said]:
    """Name the two recordings, one of each side, that differ most in a measure of quality, if they differ much."""
    values = [each.quality.get(name) for each in told.sides]
    measured = [(value, place) for place, value in enumerate(values) if value is not None]
    enroll, test = ([each for each in measured if told.sides[each[1]].side == side] for side in ("enroll", "test"))
    pairs = [sorted((one, other)) for one in enroll for other in test]
    if not pairs:
        return
    (low, low_place), (high, high_place) = max(pairs, key=lambda pair: pair[1][0] - pair[0][0])
    noise = name == "snr_db"
    if high - low > MOST_UNLIKE_DB if noise else low < LEAST_ALIKE_BAND * high:
        one, other = (
            Said(wording.quality(name, value), (f"sides/{place}/quality/{name}",))
            for value, place in ((low, low_place), (high, high_place))
        )
        yield compose(
            wording.UNLIKE_NOISE if noise else wording.UNLIKE_BAND,
            one=one,
            side=_side(told, low_place),
            other=other,
            other_side=_side(told, high_place),
        )


def _same_recording(told: Explanation) -> Iterator[Said]:
    """Name recordings that are on both sides, which a verdict tells where either side is one recording."""
    if len(told.sides) <= 2:
        return
    for place, each in enumerate(told.sides):
        for other_place, other in enumerate(told.sides):
            if (each.side, other.side) == ("enroll", "test") and each.sha256 and each.sha256 == other.sha256:
                same = Said(wording.SAME, (f"sides/{place}/sha256", f"sides/{other_place}/sha256"))
                yield compose(
                    wording.SAME_RECORDING, side=_side(told, place), other_side=_side(told, other_place), same=same
                )
