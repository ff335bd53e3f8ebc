"""What a store tells of its speakers, as classes to be guessed."""

from collections.abc import Iterable, Mapping

from avis.names import name
from avis.verifier.attributes.head import VALUE, AttributeName

KEYS: dict[AttributeName, tuple[str, ...]] = {
    "gender": ("gender",),
    "age": ("age",),
    "accent": ("accent", "accents", "dialect"),
}
"""Attributes of utterances that tell it; corpora spell accents in several ways."""

NOT_SAID = frozenset({"", "-", "n/a", "na", "none", "null", "other", "please select", "unknown"})
"""What is no class: `other` tells only what somebody is not."""

DECADES = (
    *("under ten", "teens", "twenties", "thirties", "forties"),
    *("fifties", "sixties", "seventies", "eighties", "nineties"),
)


def value(attribute: AttributeName, attributes: Mapping[str, str]) -> str:
    """Return what the attributes of an utterance tell of its speaker; empty where they tell nothing.

    Letter case does not count, and ages in years are decades, as Common Voice has them.

    >>> value("accent", {"dialect": "Southern  American"}), value("age", {"age": "23"}), value("gender", {})
    ('southern american', 'twenties', '')
    """
    for key in KEYS[attribute]:
        told = name(attributes.get(key, "")).casefold()
        if attribute == "age" and told.isdecimal():
            decade = int(told[:4]) // 10
            told = DECADES[decade] if decade < len(DECADES) else ""
        if told not in NOT_SAID and VALUE.fullmatch(told):
            return told
    return ""


def of_speaker(attribute: AttributeName, utterances: Iterable[Mapping[str, str]]) -> str:
    """Return what the utterances of a speaker tell; empty where they tell nothing, or different things.

    >>> of_speaker("gender", [{"gender": "f"}, {}]), of_speaker("gender", [{"gender": "f"}, {"gender": "m"}])
    ('f', '')
    """
    told = {value(attribute, attributes) for attributes in utterances} - {""}
    return told.pop() if len(told) == 1 else ""
