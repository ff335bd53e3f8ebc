"""Counterfactuals are what a verifier says of recordings that are so."""

import dataclasses

import numpy as np
import pytest

from avis.audio.codec import to_float
from avis.explain.conditions import at_rate, by_telephone, without_noise
from avis.explain.counterfactuals import counterfactuals
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk
from tests.avis.explain.closed_form import heard_of, side_of


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(parts)


def heard(verifier, seed, duration_s=4.0, noise=0.0):
    samples = talk(seed, duration_s) + noise * np.random.default_rng(seed).normal(size=int(duration_s * RATE))
    recording = verifier.hear((samples.astype(np.float32), RATE))
    voiceprint = vars(verifier.voiceprint(recording, None))
    voiceprint.pop("embedding")
    return heard_of(verifier, recording.values, edges=[0, len(recording.values)], **voiceprint)


def test_each_is_the_verdict_on_recordings_that_are_so(verifier):
    one, other = heard(verifier, 1), heard(verifier, 2, noise=0.05)
    assert one.voiceprint.quality["snr_db"] > 25 > other.voiceprint.quality["snr_db"]
    found = {each.change: each for each in counterfactuals(verifier, (side_of("enroll", one), side_of("test", other)))}
    expected = {
        "half of the speech": lambda values: values[: len(values) // 2],
        "cut to 2 s": lambda values: values[: 2 * RATE],
        "at 8 kHz": lambda values: at_rate(values, sample_rate=RATE, rate=8000),
        "telephone band": lambda values: by_telephone(values, sample_rate=RATE),
    }
    assert list(found) == [*expected, "without the noise"]
    for name, change in expected.items():
        verdict = verifier.verify(*((to_float(change(each.values)), RATE) for each in (one, other)))
        assert found[name].llr == pytest.approx(verdict.llr, abs=1e-5)
        assert found[name].outcome == verdict.outcome
    cleaned = (without_noise(other.values, sample_rate=RATE), RATE)
    assert found["without the noise"].llr == pytest.approx(verifier.verify((one.values, RATE), cleaned).llr, abs=1e-5)


def test_what_changes_nothing_is_left_out(verifier):
    sides = side_of("enroll", heard(verifier, 1, 1.9)), side_of("test", heard(verifier, 2, 1.9))
    assert [each.change for each in counterfactuals(verifier, sides)] == [
        "half of the speech",
        "at 8 kHz",
        "telephone band",
    ]


def test_half_of_too_little_is_not_heard(verifier):
    sides = side_of("enroll", heard(verifier, 1, 1.4)), side_of("test", heard(verifier, 2))
    assert sides[0].voiceprint.speech_s >= 0.5
    found = counterfactuals(verifier, sides)
    assert (found[0].llr, found[0].outcome) == (None, "not_heard")


def test_of_several_recordings_each_is_changed(verifier):
    several = [heard(verifier, seed) for seed in (1, 3)]
    other = heard(verifier, 2)
    found = counterfactuals(verifier, (side_of("enroll", *several), side_of("test", other)))
    halves = [verifier.embed((each.values[: len(each.values) // 2], RATE)) for each in (*several, other)]
    mean = verifier.voiceprint_of(
        np.stack([each.embedding for each in halves[:2]]), np.mean([each.speech_s for each in halves[:2]])
    )
    assert found[0].llr == pytest.approx(verifier.verify(mean, halves[2]).llr, abs=1e-5)


def test_a_voiceprint_stays_as_it_is(verifier):
    one, other = heard(verifier, 1), heard(verifier, 2)
    bare = dataclasses.replace(side_of("enroll", one), heard=[])
    found = counterfactuals(verifier, (bare, side_of("test", other)))
    half = (other.values[: len(other.values) // 2], RATE)
    assert found[0].llr == pytest.approx(verifier.verify(one.voiceprint, half).llr, abs=1e-5)


def test_without_a_calibration_it_is_the_score(parts):
    verifier = Verifier(dataclasses.replace(parts, calibration=None))
    one, other = heard(verifier, 1), heard(verifier, 2)
    found = counterfactuals(verifier, (side_of("enroll", one), side_of("test", other)))
    half = [(each.values[: len(each.values) // 2], RATE) for each in (one, other)]
    assert found[0].llr == pytest.approx(verifier.verify(*half).score, abs=1e-5)
