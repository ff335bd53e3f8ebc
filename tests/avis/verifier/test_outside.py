"""Nothing is decided about recordings unlike all that were calibrated on; to have more speech is not to be unlike."""

import dataclasses
import math

import numpy as np
import pytest

from avis.metrics.operating_point import OperatingPoint
from avis.scoring.calibration import Calibration
from avis.verifier import Verifier
from avis.verifier.outside import outside
from tests.avis.verifier.conftest import calibrated_on_many

SHORT = "Outside what was calibrated: the shorter recording has 0.6 s of speech, the calibration has seen 1 s and more."


def deciding_at(verifier: Verifier, threshold: float) -> Verifier:
    point = OperatingPoint(1 / (1 + math.exp(threshold)))
    return Verifier(dataclasses.replace(verifier.parts, operating_point=point))


@pytest.mark.parametrize(("person", "outcome"), [(0, "match"), (1, "no_match")])
def test_less_speech_than_was_calibrated_on_decides_nothing(sure, voice, person, outcome):
    assert sure.verify(voice(0), voice(person, 1, speech_s=1.5)).outcome == outcome
    for one, other in ((voice(0), voice(person, 1, speech_s=0.6)), (voice(0, speech_s=0.6), voice(person, 1))):
        verdict = sure.verify(one, other)
        assert verdict.outcome == "unsure"
        assert SHORT in verdict.warnings
        assert verdict.llr_interval == pytest.approx(sure.bounds, abs=1e-6)


def test_what_was_just_calibrated_on_is_decided(sure, voice):
    """The shortest, to any rounding and as speech is measured."""
    shortest = math.exp(sure.calibration.range.lowest[0])
    for speech_s in (shortest, shortest * (1 - 1e-6), 0.95 * shortest):
        verdict = sure.verify(voice(0), voice(0, 1, speech_s=speech_s))
        assert (verdict.outcome, verdict.warnings) == ("match", ())


@pytest.mark.parametrize("seconds", [(12.0, 15.0), (20.0, 2.0), (90.0, 2.0), (8.0, 40.0), (3600.0, 3600.0)])
def test_more_speech_than_was_calibrated_on_is_no_reason_for_doubt(sure, voice, seconds):
    for person, outcome in ((0, "match"), (1, "no_match")):
        sides = (voice(0, speech_s=seconds[0]), voice(person, 1, speech_s=seconds[1]))
        verdict = sure.verify(*sides)
        assert (verdict.outcome, verdict.warnings) == (outcome, ())


def test_but_what_hangs_on_what_the_map_makes_of_it_is_unsure(sure, voice):
    """The map thinks less of a score the more speech there is: between that and what it says of 6 s it is open."""
    like_both = voice(0, 1).embedding + 1.1 * voice(1, 1).embedding
    sides, as_calibrated = (
        (voice(0, speech_s=speech_s), dataclasses.replace(voice(0, 1, speech_s=speech_s), embedding=like_both))
        for speech_s in (20.0, 5.99)
    )
    far, seen = (sure.verify(*each) for each in (sides, as_calibrated))
    assert far.llr < seen.llr - 1.0
    assert far.llr_interval[0] < far.llr < seen.llr < far.llr_interval[1]
    between = deciding_at(sure, (far.llr + seen.llr) / 2)
    verdict = between.verify(*sides)
    assert verdict.outcome == "unsure"
    assert "the shorter recording has 20 s of speech, the calibration has seen 6 s and less." in str(verdict)
    assert between.verify(*as_calibrated).outcome == "match"


def test_a_calibration_by_the_score_alone_knows_of_no_range(sure, voice):
    rng = np.random.default_rng(0)
    target = np.arange(900) % 3 == 0
    alone = Calibration(p_target=0.05, l2=1e-4, measures=[])
    alone.fit(np.where(target, 0.75, 0.0) + 0.15 * rng.normal(size=900), np.zeros((900, 0)), target)
    verdict = Verifier(dataclasses.replace(sure.parts, calibration=alone)).verify(voice(0), voice(0, 1, speech_s=0.6))
    assert (verdict.outcome, verdict.warnings) == ("match", ())


def of_range(measures, lowest, highest) -> Calibration:
    num = 2 * len(measures)
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=measures)
    state = {"weights": np.ones(num + 1), "offset": np.array(0.0), "covariance": np.eye(num + 2)}
    state |= {"bounds": np.array([-9.0, 9.0]), "fitted_on": np.array([30, 90, 900]), "quantiles": np.zeros((2, 101))}
    calibration.restore(state | {"range": np.array([lowest, highest]), "usual": np.zeros(num + 1)})
    return calibration


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, np.log(0.6), "the shorter recording has 0.6 s of speech, the calibration has seen 1 s and more."),
        (
            3,
            np.log(10),
            "one recording has 10 times as much speech as the other, the calibration has seen 6 times and ",
        ),
        (
            3,
            np.log(1.2),
            "one recording has 1.2 times as much speech as the other, the calibration has seen 2 times a",
        ),
        (
            1,
            np.log(1.5),
            "the shorter of the two embeddings has a length of 1.5, the calibration has seen 3.1 and more",
        ),
        (4, np.log(40), "one embedding is 40 times as long as the other, the calibration has seen 8 times and"),
        (2, -0.25, "the lower of the two mean scores against the cohort is -0.25, the calibration has seen -0.1 and m"),
        (5, 0.9, "the two mean scores against the cohort are 0.9 apart, the calibration has seen 0.5 and less."),
    ],
)
def test_it_is_said_what_is_unlike(column, value, words):
    lowest = [0.0, np.log(3.1), -0.1, np.log(2), 0.0, 0.0]
    highest = [np.log(6), np.log(9), 0.4, np.log(6), np.log(8), 0.5]
    calibration = of_range(["duration", "magnitude", "cohort_mean"], lowest, highest)
    features = np.array([[np.log(3), np.log(5), 0.2, np.log(3), np.log(2), 0.1]])
    assert list(outside(calibration, features)) == []
    features[0, column] = value
    (said,) = outside(calibration, features)
    assert said.startswith(f"Outside what was calibrated: {words}")
    (beside,) = outside(calibration, features, beside="anna")
    assert beside.startswith("Outside what was calibrated (beside anna): ")


def test_the_calibration_of_these_tests_is_of_1_to_6_seconds():
    _, lowest, highest = calibrated_on_many().range
    assert np.exp([lowest[0], highest[0]]) == pytest.approx([1.0, 6.0], rel=0.02)
