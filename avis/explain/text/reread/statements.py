"""What a text of two voices states, whoever wrote it: read without any facts, to be held against another text."""

import re
from typing import NamedTuple

from avis.explain.text.reread.reading import Claim, read
from avis.explain.text.reread.words import ATTRIBUTES

SENTENCE = re.compile(r"[^.]+\.?")
NAME = re.compile("|".join(['"[^"]*"', *(re.escape(words) for words in ATTRIBUTES.values())]), re.IGNORECASE)
"""What is said as it was given: words of a scale, and what can be heard."""


class Statement(NamedTuple):
    """One thing that is stated.

    Attributes
    ----------
    slot : str
        Of what, such as ``direction``, ``verbal scale`` or ``median pitch of the test``.
    value : str
    """

    slot: str
    value: str


def statements(text: str) -> list[Statement]:
    """Return what a text states, in the order in which it does; what cannot be understood is stated of nothing.

    Examples
    --------
    >>> statements("The evidence speaks for one speaker. Median pitch among voices: upper third in the test.")
    [Statement(slot='direction', value='one speaker'), Statement(slot='median pitch of the test', value='upper')]
    >>> statements("It is two speakers, perhaps.")
    [Statement(slot='', value='two speakers')]
    """
    found = []
    for sentence in SENTENCE.findall(text):
        of = ""
        for claim in read(sentence, NAME.findall(sentence)):
            if claim.kind == "name" and not claim.said.startswith('"'):
                of = claim.said.lower()
            else:
                found.append(_stated(claim, of))
    return found


def _stated(claim: Claim, of: str) -> Statement:
    if claim.kind == "name":
        return Statement("verbal scale", claim.said.strip('"'))
    if claim.kind == "towards":
        return Statement("direction", str(claim.words["who"]))
    if claim.kind == "third" and of:
        return Statement(f"{of} of the {claim.words['side']}", str(claim.words["third"]))
    if claim.kind == "higher" and of:
        return Statement(f"{of} of both", claim.words["side"] or "alike")
    return Statement("", claim.said)
