"""A text is read back: what it says is so, and what is not so is found."""

import random
import re
from dataclasses import replace

import pytest

from avis.explain.record import Explanation
from avis.explain.text import Sentence, lint, sentences
from avis.explain.text.sentences import PRESETS, foretold
from tests.avis.explain.text.records import Drawing, realistic, segment

OPPOSITES = [
    ("one person", "two people"),
    ("one speaker", "two speakers"),
    ("more likely", "less likely"),
    ("falls", "rises"),
    ("Accepted", "Rejected"),
    ("Same speaker", "Different speakers"),
    ("same speaker", "different speakers"),
    ("enrolment", "test"),
    ("strongest", "next"),
    ("as high as this or higher", "as low as this or lower"),
    ("cut out", "replaced by noise"),
    ("s heard", "s of speech"),
    ("above", "below"),
    ("less than", "more than"),
    ("Shapley value", "integrated gradient"),
    ("unsure", "not heard"),
    ("Gender", "Accent"),
    ("higher in the", "lower in the"),
    ("upper third", "middle third"),
    ("middle third", "lower third"),
]


def every_text(seeds):
    for seed in seeds:
        explanation = Drawing(seed).explanation()
        for preset in PRESETS:
            yield explanation, preset, sentences(explanation, preset)
        yield explanation, "foretold", foretold(explanation)


def mismatches(seeds):
    return [str(each) for explanation, _, told in every_text(seeds) for each in lint(told, explanation)]


def test_what_is_told_of_a_trial_is_so():
    for preset in PRESETS:
        assert lint(sentences(realistic(), preset), realistic()) == []


@pytest.mark.slow
def test_what_is_told_of_any_record_is_so():
    assert mismatches(range(100)) == []


@pytest.mark.slow
@pytest.mark.parametrize("thousand", range(10))
def test_what_is_told_of_ten_thousand_records_is_so(thousand):
    assert mismatches(range(1000 * thousand, 1000 * (thousand + 1))) == []


def caught(sentence, text, explanation):
    return lint([replace(sentence, text=text)], explanation)


@pytest.mark.slow
def test_every_other_number_is_found():
    drawn, num = random.Random(1), 0
    for explanation, _, told in every_text(range(12)):
        for sentence in told:
            for match in re.finditer(r"\d", sentence.text):
                other = drawn.choice("0123456789".replace(match[0], ""))
                text = sentence.text[: match.start()] + other + sentence.text[match.end() :]
                assert caught(sentence, text, explanation), f"{sentence.text} -> {text}"
                num += 1
    assert num > 3000


@pytest.mark.slow
def test_every_swapped_direction_is_found():
    num = dict.fromkeys(OPPOSITES, 0)
    for explanation, _, told in every_text(range(60)):
        for sentence in told:
            if not sentence.facts:
                continue
            for pair in OPPOSITES:
                for one, other in (pair, pair[::-1]):
                    for match in re.finditer(rf"\b{one}\b", sentence.text):
                        text = sentence.text[: match.start()] + other + sentence.text[match.end() :]
                        if "now 50 %" not in text and text not in [each.text for each in told]:  # true both ways
                            assert caught(sentence, text, explanation), f"{sentence.text} -> {text}"
                            num[pair] += 1
    assert min(num.values()) > 5, num
    assert sum(num.values()) > 4000


def changed(value, drawn):
    """Return something else of a kind."""
    if isinstance(value, bool | None):
        return 1.0
    if isinstance(value, int):
        return value + drawn.choice([1, 2, 7])
    if isinstance(value, float):
        return drawn.choice([-value if abs(value) > 0.1 else 5.0, 3 * value + 1, value + 2, value / 3 - 1])
    if isinstance(value, str):
        for names in (("enroll", "test"), ("match", "no_match", "unsure", "not_heard"), ("llr", "score")):
            if value in names:
                return drawn.choice([name for name in names if name != value])
        return "cap" if value in ("model", "offset") else f"other {value}"
    return value


def with_changed(explanation, fact, drawn):
    """Return a record of which a fact is another; None where there is no such record."""
    plain = explanation.model_dump()
    *above, key = [int(each) if each.isdecimal() else each for each in fact.split("/")]
    here = plain
    for each in above:
        if isinstance(here[each], tuple):
            here[each] = list(here[each])
        here = here[each]
    if fact == "segments":
        here[key].append(segment("test", 0.0, 1.0, drawn.choice([-1e9, 1e9])))
    elif fact == "waterfall":
        here[key].append({"part": "other", "kind": "offset", "llr": drawn.choice([-1e9, 1e9])})
    elif fact == "frames" and here[key]:
        here[key].append(here[key][0])
    elif fact == "prior":
        here[key] = drawn.choice([0.2, 0.7])
    elif fact in ("calibration/0", "calibration/1"):
        shift = drawn.choice([-3.0, 3.0])
        here[key] = [llr + shift for llr in here[key]]
    else:
        here[key] = changed(here[key], drawn)
    try:
        return Explanation(**plain)
    except ValueError:
        return None


@pytest.mark.slow
def test_every_other_fact_is_found():
    drawn, num, missed = random.Random(2), 0, []
    for explanation, preset, told in every_text(range(40)):
        for sentence in drawn.sample(told, min(len(told), 12)):
            if not sentence.facts:
                continue
            fact = drawn.choice(sentence.facts)
            other = with_changed(explanation, fact, drawn)
            again = other and (foretold(other) if preset == "foretold" else sentences(other, preset))
            if other is None or sentence.text in [each.text for each in again]:
                continue
            num += 1
            if not lint([sentence], other):
                missed.append((fact, sentence.text))
    assert not missed
    assert num > 600


def test_sides_that_are_exchanged_are_found():
    exchanged = {"enroll": "test", "test": "enroll"}
    for preset in PRESETS:
        told = [each for each in sentences(realistic(), preset) if any("segments/" in fact for fact in each.facts)]
        segments = [
            each.model_copy(update={"side": exchanged[each.side]}).model_dump() for each in realistic().segments
        ]
        assert len(lint(told, realistic(segments=segments))) == len(told)


@pytest.mark.parametrize(
    ("text", "facts", "why"),
    [
        ("The score is 0.612.", ("scores",), "no such fact"),
        ("The score is 0.612, of 3.", ("score",), "tells no such thing"),
        ("There is a score.", ("score",), "does not say this fact"),
        ("The score is high for one speaker.", (), "no fact of the sentence bears it out"),
        ("The test is 12 s long.", (), "tells no such thing"),
        ("Of recording 1 of the test.", ("sides/0/recording", "sides/0/side"), "the record has 'enroll'"),
    ],
)
def test_what_has_no_fact_is_found(text, facts, why):
    (mismatch,) = lint([Sentence(text, facts, "result")], realistic())
    assert why in str(mismatch)
