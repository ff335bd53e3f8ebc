"""A verdict has four outcomes, in words that a person understands."""

import json
import math

import pytest

from avis.verifier import Verdict
from avis.verifier.verdict import times


def verdict(outcome, llr, interval, warnings=()):
    return Verdict(
        outcome=outcome,
        llr=llr,
        llr_interval=interval,
        llr_bounds=(-5.0, 9.0),
        score=0.7,
        threshold=math.log(100),
        speech_s=(2.0, 3.0),
        quality=({}, {}),
        warnings=warnings,
    )


MATCH = verdict("match", math.log(850), (math.log(110), math.log(8000)), warnings=("The first is noisy.",))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            MATCH,
            "Same speaker: the evidence is 850 times more likely if one person spoke (between 110 and 8,000). Accepted "
            "at your threshold of 100.\nwarning: The first is noisy.",
        ),
        (
            verdict("no_match", -math.log(30), (-math.log(90), -math.log(10))),
            "Different speakers: the evidence is 30 times more likely if two people spoke (between 10 and 90). "
            "Rejected at your threshold of 100.",
        ),
        (
            verdict("unsure", math.log(120), (-math.log(2), math.log(200))),
            "Unsure: the evidence is 120 times more likely if one person spoke (between 2 for two people and 200 for "
            "one), which leaves open on which side of your threshold of 100 it is. More speech may help: there are "
            "2.0 s and 3.0 s.",
        ),
        (
            verdict("not_heard", None, None),
            "Not heard: 2.0 s and 3.0 s of speech, which is too little for an answer.",
        ),
        (
            verdict("unsure", None, None),
            "Unsure: a score of 0.700, which nothing was calibrated to tell the meaning of.",
        ),
    ],
)
def test_what_it_says(given, words):
    assert str(given) == words


@pytest.mark.parametrize(("llr", "words"), [(800.0, "10^347"), (-800.0, "10^-347"), (30.0, "11,000,000,000,000")])
def test_ratios_beyond_all_measure_are_powers_of_ten(llr, words):
    assert times(llr) == words


def test_three_answers_do_not_fit_two():
    with pytest.raises(TypeError, match=r"verdict\.outcome == 'match'"):
        bool(MATCH)


def test_a_probability_takes_a_prior():
    assert MATCH.probability(0.5) == pytest.approx(850 / 851)
    assert MATCH.probability(1 / 851) == pytest.approx(0.5)
    assert verdict("unsure", None, None).probability(0.5) is None
    with pytest.raises(ValueError, match="prior out of range"):
        MATCH.probability(1.0)


def test_it_is_data_for_json():
    plain = json.loads(json.dumps(MATCH.plain()))
    assert {"outcome", "llr", "llr_interval", "score", "threshold", "speech_s", "warnings"} <= plain.keys()
    assert plain["outcome"] == "match"
