import numpy as np
import pytest

from avis.acoustics.periodicity import HIGHEST_HZ, LOWEST_HZ, find_peaks
from tests.avis.acoustics.voices import noise

RATE = 8000


def tone(frequency_hz: float, duration_s: float = 5.0) -> np.ndarray:
    return np.sin(2.0 * np.pi * frequency_hz * np.arange(round(duration_s * RATE)) / RATE).astype(np.float32)


def test_levels_are_those_of_the_frames_wherever_they_are() -> None:
    levels_db = find_peaks(np.append(tone(200.0), 0.1 * tone(200.0)), sample_rate=RATE).level_db
    np.testing.assert_allclose(levels_db[5:495], -3.01, atol=0.05)
    np.testing.assert_allclose(levels_db[505:995], -23.01, atol=0.05)


@pytest.mark.parametrize("frequency_hz", [130.0, 250.0, 420.0])
def test_peaks_of_a_tone_are_its_period_and_multiples_all_as_high(frequency_hz: float) -> None:
    peaks = find_peaks(tone(frequency_hz), sample_rate=RATE)
    multiples = frequency_hz / np.arange(1, int(frequency_hz / LOWEST_HZ) + 1)
    for frame in (10, 100, 400):
        found = np.sort(peaks.f0_hz[frame][np.isfinite(peaks.f0_hz[frame])])[::-1]
        np.testing.assert_allclose(found[: len(multiples)], multiples, rtol=5e-3)
        assert peaks.strength[frame].max() > 0.999
        assert np.sort(peaks.strength[frame])[::-1][len(multiples) - 1] > 0.98


def test_strength_is_the_share_of_the_power_that_repeats_itself() -> None:
    mix = tone(200.0) + np.sqrt(0.5 * 0.25) * noise(0, 5.0, sample_rate=RATE)  # a fifth of the power is noise
    peaks = find_peaks(mix.astype(np.float32), sample_rate=RATE)
    at_period = np.nanargmin(np.abs(peaks.f0_hz - 200.0), axis=1)
    assert np.median(peaks.strength[np.arange(500), at_period]) == pytest.approx(0.8, abs=0.02)


def test_where_nothing_repeats_itself_peaks_are_missing_or_low() -> None:
    silent = find_peaks(np.zeros(RATE, np.float32), sample_rate=RATE)
    assert np.isnan(silent.f0_hz).all()
    assert (silent.strength == -np.inf).all()
    noisy = find_peaks(0.1 * noise(0, 5.0, sample_rate=RATE).astype(np.float32), sample_rate=RATE)
    assert np.median(noisy.strength.max(axis=1)) < 0.4
    assert np.nanmin(noisy.f0_hz) > 0.99 * LOWEST_HZ
    assert np.nanmax(noisy.f0_hz) < 1.01 * HIGHEST_HZ
