"""Conditions are those that they are named for."""

import numpy as np
import pytest

from avis.explain.conditions import at_rate, by_telephone, without_noise

RATE = 16000


def tone(hz: float, num: int = RATE, amplitude: float = 8000) -> np.ndarray:
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(num) / RATE)).astype(np.int16)


def kept(change, hz: float, **kwargs) -> float:
    """Return which share of a tone's amplitude is kept, in phase."""
    values = tone(hz)
    made = change(values, sample_rate=RATE, **kwargs)
    assert (made.dtype, len(made)) == (np.int16, len(values))
    middle = slice(2000, -2000)
    one, other = values[middle].astype(float), made[middle].astype(float)
    return float(one @ other / (one @ one))


def test_at_8_khz_nothing_is_left_above_4():
    assert kept(at_rate, 1000, rate=8000) == pytest.approx(1, abs=0.001)
    assert kept(at_rate, 3400, rate=8000) == pytest.approx(1, abs=0.01)
    assert kept(at_rate, 5000, rate=8000) == pytest.approx(0, abs=0.001)


def test_a_telephone_passes_speech_without_delay():
    assert kept(by_telephone, 1000) == pytest.approx(1, abs=0.001)
    assert kept(by_telephone, 300) == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert kept(by_telephone, 3400) == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert kept(by_telephone, 100) < 0.001
    assert kept(by_telephone, 7000) < 0.01


def test_noise_goes_and_speech_stays():
    rng = np.random.default_rng(0)
    speech = sum(tone(hz, 3 * RATE, 2000) for hz in (300, 600, 1500)) * (np.arange(3 * RATE) // 4000 % 2)
    values = (speech + 300 * rng.normal(size=len(speech))).astype(np.int16)
    made = without_noise(values, sample_rate=RATE)
    assert made.dtype == np.int16
    noise_before = np.mean(np.square(values.astype(float) - speech))
    noise_after = np.mean(np.square(made.astype(float) - speech))
    assert 10 * np.log10(noise_before / noise_after) > 6


def test_what_is_silent_stays_silent():
    assert not without_noise(np.zeros(RATE, np.int16), sample_rate=RATE).any()
