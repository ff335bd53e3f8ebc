"""What can be heard of two sides, against what is usual."""

import dataclasses

import numpy as np
import pytest

from avis.acoustics.measure import ATTRIBUTES, measure
from avis.acoustics.population import Population, two_covariance_llr
from avis.audio.codec import to_float
from avis.explain.acoustics import attributes
from avis.explain.explain import explain
from avis.explain.side import side_of
from avis.verifier import Verifier
from avis.verifier.voices import Voices
from tests.avis.conftest import RATE

PITCH = "f0_median_hz"


def talk(pitch_hz: float, duration_s: float = 2.0) -> tuple[np.ndarray, int]:
    """A voice of a pitch that rises and falls by two semitones, in syllables."""
    time_s = np.arange(int(duration_s * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch_hz * 2.0 ** (np.sin(2 * np.pi * time_s) / 6.0)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 3600 // int(pitch_hz)))
    loudness = 0.1 * (0.6 + 0.4 * np.sin(2 * np.pi * 4.0 * time_s))
    noise = 1e-3 * np.random.default_rng(0).normal(size=len(time_s))
    return np.asarray(loudness * voice + noise, np.float32), RATE


def octaves() -> Population:
    """Return one in which pitch alone is known: 100 Hz times half octaves, the variance between 36, within 4."""
    statistics = {name: np.full(len(ATTRIBUTES), np.nan) for name in ("mean", "between", "within")}
    for name, value in {"mean": 12 * np.log2(141.42), "between": 36.0, "within": 4.0}.items():
        statistics[name][0] = value
    means = np.full((len(ATTRIBUTES), 3), np.nan)
    means[0] = 12 * np.log2([100.0, 141.42, 200.0])
    return Population(names=np.array(list(ATTRIBUTES)), speaker_means=means, **statistics)


def heard(parts, enroll, test):
    verifier = Verifier(parts)
    return side_of(verifier, "enroll", enroll), side_of(verifier, "test", test)


def test_values_are_those_that_are_measured_and_ratios_those_of_the_population(parts):
    sides = heard(parts, talk(120.0), talk(190.0))
    by_name = {each.name: each for each in attributes(octaves(), sides)}
    pitch = by_name[PITCH]
    assert (pitch.unit, pitch.enroll, pitch.test) == ("Hz", pytest.approx(120, rel=0.02), pytest.approx(190, rel=0.02))
    assert pitch.enroll_percentile == pytest.approx(100 / 3)  # of three speakers one is below
    assert pitch.test_percentile == pytest.approx(200 / 3)
    u, v = (12 * np.log2(value / 141.42) / 40**0.5 for value in (pitch.enroll, pitch.test))
    assert pitch.llr == pytest.approx(float(two_covariance_llr(u, v, rho=0.9)))
    assert by_name["hnr_db"].enroll is not None
    assert by_name["hnr_db"].llr is by_name["hnr_db"].enroll_percentile is None


def test_without_a_population_there_are_the_values_alone(parts):
    sides = heard(parts, talk(120.0), talk(190.0))
    told = attributes(None, sides)
    measured = measure(to_float(sides[0].heard[0].values), sample_rate=RATE)
    expected = {name: pytest.approx(value) for name, value in measured.items() if value is not None}
    assert {each.name: each.enroll for each in told if each.enroll is not None} == expected
    for each in told:
        assert each.llr is each.enroll_percentile is each.test_percentile is None


def test_recordings_of_a_person_have_the_mean_pitch_in_semitones(parts):
    several, low, high = (
        {each.name: each for each in attributes(None, heard(parts, enroll, talk(150.0)))}
        for enroll in ([talk(100.0), talk(200.0)], talk(100.0), talk(200.0))
    )
    assert several[PITCH].enroll == pytest.approx((low[PITCH].enroll * high[PITCH].enroll) ** 0.5)
    assert several["hnr_db"].enroll == pytest.approx((low["hnr_db"].enroll + high["hnr_db"].enroll) / 2)


def test_of_a_voiceprint_nothing_can_be_heard(parts):
    voiceprint = Verifier(parts).embed(talk(120.0))
    told = attributes(octaves(), heard(parts, voiceprint, talk(190.0)))
    assert {each.enroll for each in told} == {None}
    assert all(each.test is not None and each.llr is None for each in told)
    assert attributes(octaves(), heard(parts, voiceprint, voiceprint)) == []


def test_an_explanation_has_them_where_checks_are_tried(parts):
    kept = Voices(names=np.array(["c"]), embeddings=np.ones((1, Verifier(parts).dim), np.float32), acoustics=octaves())
    verifier = Verifier(dataclasses.replace(parts, voices=kept))
    sides = talk(120.0, 1.0), talk(190.0, 1.0)
    [pitch] = [each for each in explain(verifier, *sides).acoustics if each.name == PITCH]
    assert pitch.llr is not None
    plain = explain(verifier, *sides, checks=False)
    assert (plain.acoustics, plain.cohort) == ([], None)
    assert {each.llr for each in explain(Verifier(parts), *sides).acoustics} == {None}
