import numpy as np
import pytest

from avis.acoustics.rate import level_peaks, syllable_rate_hz, vowel_levels_db
from tests.avis.acoustics.voices import RATE, syllables

ALL = np.arange(1000)


@pytest.mark.parametrize("rate_hz", [2.0, 3.0, 4.0, 5.0, 7.0])
def test_the_rate_of_a_train_of_vowels(rate_hz: float) -> None:
    assert syllable_rate_hz(syllables(rate_hz), ALL, sample_rate=RATE) == pytest.approx(rate_hz, rel=0.1)


@pytest.mark.parametrize("pause_s", [0.5, 3.0])
def test_pauses_do_not_count(pause_s: float) -> None:
    samples = np.tile(syllables(4.0, duration_s=2.0, pause_s=pause_s), 2)
    assert syllable_rate_hz(samples, ALL, sample_rate=RATE) == pytest.approx(4.0, rel=0.1)


def test_peaks_without_voice_are_no_nuclei() -> None:
    samples = syllables(4.0)
    assert syllable_rate_hz(samples, np.arange(200), sample_rate=RATE) == pytest.approx(2.0, rel=0.1)
    assert syllable_rate_hz(samples, np.arange(0), sample_rate=RATE) is None


def test_levels_are_of_the_frames_and_of_the_vowels_band() -> None:
    t = np.arange(RATE) / RATE
    inside, below, above = (
        vowel_levels_db(np.sin(2 * np.pi * f * t).astype(np.float32), sample_rate=RATE) for f in (500, 120, 5000)
    )
    assert len(inside) == 100
    np.testing.assert_allclose(inside[5:-5], -3.01, atol=0.05)
    assert below[5:-5].max() < -60.0
    assert above[5:-5].max() < -60.0
    click = np.zeros(RATE, np.float32)
    click[round(0.505 * RATE)] = 1.0
    assert vowel_levels_db(click, sample_rate=RATE).argmax() == 50


@pytest.mark.parametrize(
    ("levels_db", "expected"),
    [
        ([], []),
        ([1.0], [0]),
        ([0.0, 5.0, 0.0], [1]),
        ([0.0, 5.0, 4.0, 5.5, 0.0], [3]),  # the dip is too small
        ([0.0, 5.0, 3.0, 5.5, 0.0], [1, 3]),
        ([5.0, 3.0, 0.0], [0]),
        ([0.0, 3.0, 5.0], [2]),
        ([3.0, 3.0, 3.0], [0]),
        ([5.0, 0.0, 1.0, 0.0], [0]),
    ],
)
def test_peaks_are_parted_by_dips(levels_db: list[float], expected: list[int]) -> None:
    assert level_peaks(np.array(levels_db)).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_as_many_peaks_as_reach_that_prominence(seed: int) -> None:
    import scipy.signal

    levels_db = np.cumsum(np.random.default_rng(seed).normal(size=400))
    padded = np.concatenate([[-1e3], levels_db, [-1e3]])
    expected = scipy.signal.find_peaks(padded, prominence=1.5)[0] - 1
    assert level_peaks(levels_db).tolist() == expected.tolist()
