"""Check a text against the record that it tells of, by reading it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from avis.explain.record import Explanation
from avis.explain.text.facts import value_at
from avis.explain.text.reread.evidence import Evidence, UnborneError
from avis.explain.text.reread.parts import PART_CHECKS
from avis.explain.text.reread.ratios import RATIO_CHECKS
from avis.explain.text.reread.reading import Claim, read
from avis.explain.text.reread.words import ATTRIBUTES, WORD_CHECKS
from avis.explain.text.sentences import Sentence

CHECKS = RATIO_CHECKS | PART_CHECKS | WORD_CHECKS

WORDED = ("outcome", "unit", "kind", "side", "sha256", "attribute")
"""Last keys of facts that are said in other words than the record's."""


@dataclass(frozen=True)
class Mismatch:
    """What a sentence says that the record does not bear out.

    Attributes
    ----------
    sentence : Sentence
    said : str
        As written; the path of a fact where that is not said, or not there.
    why : str
    """

    sentence: Sentence
    said: str
    why: str

    def __str__(self) -> str:
        return f"{self.said!r} in {self.sentence.text!r}: {self.why}"


def lint(sentences: Iterable[Sentence], explanation: Explanation) -> list[Mismatch]:
    """Read every number, direction, side, time and name from sentences, and compare with the record.

    Facts of a sentence are taken in the order in which they are told; each has to be said, and everything said needs
    its fact. Numbers must be right to the digits printed. What is said of a sentence is the first that is wrong.

    Parameters
    ----------
    sentences : iterable of Sentence
    explanation : Explanation

    Returns
    -------
    list of Mismatch
        At most one for each sentence; empty where all is borne out.
    """
    plain = explanation.model_dump()
    return [mismatch for sentence in sentences for mismatch in _mismatches(sentence, plain)]


def _mismatches(sentence: Sentence, plain: dict[str, Any]) -> Iterator[Mismatch]:
    try:
        names = [name for fact in sentence.facts if (name := _as_said(fact, value_at(plain, fact), sentence.text))]
    except KeyError as absent:
        yield Mismatch(sentence, absent.args[0], "the record has no such fact")
        return
    evidence = Evidence(sentence.facts, plain)
    for claim in read(sentence.text, names):
        try:
            _check(evidence, claim)
        except UnborneError as unborne:
            yield Mismatch(sentence, claim.said, str(unborne))
            return
    if evidence.next:
        yield Mismatch(sentence, evidence.next, "the sentence does not say this fact")


def _as_said(fact: str, value: object, text: str) -> str | None:
    """Return how a fact that was given in words is said; None of numbers and of what is said in other words."""
    *above, key = fact.split("/")
    if not isinstance(value, str) or (key in WORDED and above[:1] != ["acoustics"]):
        return None
    if above == ["warnings"]:
        return value
    if above[:1] == ["acoustics"]:
        if key == "unit":
            return f" {value} in "
        name = ATTRIBUTES.get(value, value)
        return name if name in text else name[:1].upper() + name[1:]
    return f'"{value}"'


def _check(evidence: Evidence, claim: Claim) -> None:
    if claim.kind == "missing":
        raise UnborneError("the record has it, the sentence does not")
    if claim.kind == "unread":
        raise UnborneError("no fact of the sentence bears it out")
    CHECKS[claim.kind](evidence, claim.words)
