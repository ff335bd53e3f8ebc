"""Edits take out what they mean to, and leave all else as it was."""

import numpy as np
import pytest

from avis.explain.edits import level, noise, put, splice

RATE = 16000
FADE = 80


def tone(hz: float, num: int = RATE, amplitude: float = 8000) -> np.ndarray:
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(num) / RATE)).astype(np.int16)


def hiss(num: int = RATE, scale: float = 2000) -> np.ndarray:
    return (scale * np.random.default_rng(1).normal(size=num)).clip(-32768, 32767).astype(np.int16)


def amplitude_at(values: np.ndarray, hz: float) -> float:
    turn = np.exp(-2j * np.pi * hz * np.arange(len(values)) / RATE)
    return float(2 * abs(np.mean(values * turn)))


def test_a_splice_leaves_both_sides_as_they_were():
    values = hiss()
    made = splice(values, start=4000, end=9000, sample_rate=RATE)
    assert len(made) == RATE - 5000 - FADE
    assert np.array_equal(made[: 4000 - FADE], values[: 4000 - FADE])
    assert np.array_equal(made[4000:], values[9000 + FADE :])


@pytest.mark.parametrize(("start", "end"), [(0, 5000), (11000, RATE)])
def test_an_end_is_cut_off(start, end):
    values = hiss()
    assert np.array_equal(splice(values, start=start, end=end, sample_rate=RATE), np.delete(values, slice(start, end)))


def test_a_splice_does_not_click():
    values = np.concatenate([tone(200), -tone(200), tone(200)])
    cut = slice(RATE + 20, 2 * RATE + 20)  # from a crest to a trough
    hard = np.abs(np.diff(np.delete(values, cut).astype(int))).max()
    soft = np.abs(np.diff(splice(values, start=cut.start, end=cut.stop, sample_rate=RATE).astype(int))).max()
    steepest = np.abs(np.diff(tone(200).astype(int))).max()
    assert hard > 10 * steepest
    assert soft < 2 * steepest


@pytest.mark.parametrize(("start", "end"), [(0, 3000), (4000, 9000), (12000, RATE)])
def test_what_is_put_in_place_of_a_stretch_stays_within_it(start, end):
    values, filling = hiss(), np.full(end - start, 5000.0)
    made = put(values, filling, start=start, sample_rate=RATE)
    assert np.array_equal(np.delete(made, slice(start, end)), np.delete(values, slice(start, end)))
    assert (made[start + FADE : end - FADE] == 5000).all()
    assert made[start] == 5000 if start == 0 else abs(int(made[start]) - int(values[start])) < 100
    assert made[end - 1] == 5000 if end == RATE else abs(int(made[end - 1]) - int(values[end - 1])) < 100


def test_what_is_too_loud_is_clipped_and_does_not_wrap():
    assert put(hiss(), np.full(1000, 1e6), start=500, sample_rate=RATE)[1000] == 32767
    assert abs(level(tone(1000, amplitude=32767), sample_rate=RATE).astype(int)).max() > 30000


def test_noise_is_as_loud_as_the_stretch_and_white_and_the_same_each_time():
    values = np.concatenate([tone(300), tone(300, amplitude=500) + np.int16(100)])
    made = noise(values, start=RATE, end=2 * RATE)
    assert made.std() == pytest.approx(values[RATE:].std(), rel=0.03)
    assert made.mean() == pytest.approx(100, abs=10)
    power = np.square(np.abs(np.fft.rfft(made - made.mean()))).reshape(-1)[1:].reshape(4, -1).mean(axis=1)
    assert power == pytest.approx(np.full(4, power.mean()), rel=0.1)
    assert np.array_equal(made, noise(values, start=RATE, end=2 * RATE))
    assert not np.array_equal(made[1:], noise(values, start=RATE + 1, end=2 * RATE))


def test_a_level_is_the_geometric_mean_over_time():
    values = np.concatenate([tone(1000, amplitude=500), tone(1000, amplitude=8000)])
    made = level(values, sample_rate=RATE)
    for part in (made[2000 : RATE - 2000], made[RATE + 2000 : -2000]):
        assert amplitude_at(part, 1000) == pytest.approx(2000, rel=0.05)


def test_what_is_steady_is_level_already():
    values = tone(1000) + np.int16(700)
    made = level(values, sample_rate=RATE)[2000:-2000]
    assert made.mean() == pytest.approx(700, rel=0.05)
    assert amplitude_at(made, 1000) == pytest.approx(8000, rel=0.05)  # at its ends the reflected tone is not as steady


def test_other_bands_stay_to_a_step_or_two():
    values = np.concatenate([tone(3000, amplitude=200), tone(3000)]) + np.int16(700)
    made = level(values, sample_rate=RATE, low_hz=700, high_hz=1200).astype(int)
    away = np.r_[600 : RATE - 600, RATE + 600 : 2 * RATE - 600]  # from step and ends, which are of all frequencies
    assert np.abs(made - values)[away].max() <= 2


def test_only_the_band_is_levelled():
    loud_then_soft = np.concatenate([np.full(RATE, 1.0), np.full(RATE, 0.1)])
    values = sum(np.tile(tone(hz, amplitude=4000), 2) * loud_then_soft for hz in (1000, 5000)).astype(np.int16)
    made = level(values, sample_rate=RATE, low_hz=4000, high_hz=6000)
    first, second = made[2000 : RATE - 2000], made[RATE + 2000 : -2000]
    assert amplitude_at(first, 5000) == pytest.approx(4000 / np.sqrt(10), rel=0.05)
    assert amplitude_at(second, 5000) == pytest.approx(4000 / np.sqrt(10), rel=0.05)
    assert amplitude_at(first, 1000) == pytest.approx(4000, rel=0.005)
    assert amplitude_at(second, 1000) == pytest.approx(400, rel=0.005)


def test_digital_silence_has_the_spectrum_of_rounding():
    values = np.concatenate([np.zeros(RATE, np.int16), hiss()])
    made = level(values, sample_rate=RATE)
    expected = np.sqrt(2000 * np.sqrt(1 / 12))  # geometric mean of both
    for part in (made[1000 : RATE - 1000], made[RATE + 1000 : -1000]):
        assert part.astype(float).std() == pytest.approx(expected, rel=0.3)
    assert np.abs(level(np.zeros(RATE, np.int16), sample_rate=RATE)).max() <= 2
