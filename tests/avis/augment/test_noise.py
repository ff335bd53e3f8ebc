import numpy as np
import pytest

from avis.augment.babble import Babble
from avis.augment.bank import Bank
from avis.augment.level import active_power, match_level, mix_at_snr
from avis.augment.noise import Noise

RATE = 16000


def test_active_power_leaves_pauses_out():
    speech = np.r_[np.full(3200, 0.5), np.full(6400, 0.5 * 10 ** (-31 / 20)), np.full(3200, 0.25)]
    assert active_power(speech.astype(np.float32)) == pytest.approx((0.25 + 0.0625) / 2)


def test_active_power_counts_what_is_29_db_down():
    speech = np.r_[np.full(320, 1.0), np.full(320, 10 ** (-29 / 20))]
    assert active_power(speech.astype(np.float32)) == pytest.approx((1 + 10**-2.9) / 2)


def test_active_power_of_an_incomplete_frame_and_of_silence():
    assert active_power(np.full(10, 0.5, np.float32)) == pytest.approx(0.25)
    assert active_power(np.r_[np.zeros(320), np.full(10, 0.5)].astype(np.float32)) == pytest.approx(0.25)
    assert active_power(np.zeros(1000, np.float32)) == 0


def snr_db(speech, noisy):
    """Return 10 log10 of the power of the speech's loud half (known by construction) over that of what was added."""
    added = noisy.astype(np.float64) - speech
    return 10 * np.log10(np.mean(speech[:RATE].astype(np.float64) ** 2) / np.mean(added**2))


@pytest.fixture
def half_pause():
    """One second of steady talking, one second of pause."""
    rng = np.random.default_rng(0)
    return np.r_[0.1 * rng.standard_normal(RATE), np.zeros(RATE)].astype(np.float32)


@pytest.mark.parametrize("wanted_db", [-5.0, 0.0, 10.0, 40.0])
@pytest.mark.parametrize("noise_scale", [1e-4, 1.0])
def test_the_snr_is_reached_on_the_speech(half_pause, wanted_db, noise_scale):
    noise = (noise_scale * np.random.default_rng(1).standard_normal(2 * RATE)).astype(np.float32)
    assert snr_db(half_pause, mix_at_snr(half_pause, noise, wanted_db)) == pytest.approx(wanted_db, abs=0.1)


def recordings():
    rng = np.random.default_rng(2)
    return [scale * rng.standard_normal(3 * RATE).astype(np.float32) for scale in (0.01, 0.1, 1.0)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_babble_reach_their_snr(half_pause, seed):
    bank = Bank.from_recordings(recordings())
    noise = Noise(probability=1.0, min_snr_db=7.0, max_snr_db=7.0)
    babble = Babble(probability=1.0, min_snr_db=7.0, max_snr_db=7.0, min_voices=3, max_voices=8)
    for transform in (noise, babble):
        assert snr_db(half_pause, transform(half_pause, np.random.default_rng(seed), bank)) == pytest.approx(7, abs=0.1)


def test_the_snr_is_spread_over_its_range(half_pause):
    bank = Bank.from_recordings(recordings())
    noise = Noise(probability=1.0, min_snr_db=0.0, max_snr_db=20.0)
    drawn = [snr_db(half_pause, noise(half_pause, np.random.default_rng(seed), bank)) for seed in range(100)]
    assert -0.1 < min(drawn) < 2
    assert 18 < max(drawn) < 20.1
    assert np.mean(drawn) == pytest.approx(10, abs=3 * 20 / np.sqrt(12 * 100))


def test_voices_are_equally_loud(half_pause):
    """Two tones, one of them 20 dB below the click that its recording ends with, come out of the babble alike."""
    t = np.arange(60 * RATE) / RATE
    tones = [np.sin(2 * np.pi * 500 * t), 0.1 * np.sin(2 * np.pi * 1500 * t)]
    tones[1][-1] = 1.0
    bank = Bank.from_recordings([tone.astype(np.float32) for tone in tones])
    babble = Babble(probability=1.0, min_snr_db=0.0, max_snr_db=0.0, min_voices=1, max_voices=2)
    ratios = []
    for seed in range(60):
        spectrum = np.abs(np.fft.rfft(babble(half_pause, np.random.default_rng(seed), bank) - half_pause))
        if min(spectrum[1000], spectrum[3000]) > 0.01 * spectrum.max():
            ratios.append(spectrum[1000] / spectrum[3000])
    assert len(ratios) > 5
    assert ratios == pytest.approx(np.ones(len(ratios)), rel=0.01)


def test_voices_in_number(half_pause):
    """As many tones as voices, at most, show up in the babble."""
    t = np.arange(3 * RATE) / RATE
    bank = Bank.from_recordings([np.sin(2 * np.pi * 100 * k * t).astype(np.float32) for k in range(1, 61)])
    babble = Babble(probability=1.0, min_snr_db=0.0, max_snr_db=0.0, min_voices=3, max_voices=8)
    counts = set()
    for seed in range(60):
        added = babble(half_pause, np.random.default_rng(seed), bank) - half_pause
        spectrum = np.abs(np.fft.rfft(added))[200:12001:200]
        counts.add(int((spectrum > 0.1 * spectrum.max()).sum()))
    assert counts <= set(range(1, 9))
    assert {3, 8} <= counts


def test_a_silent_stretch_of_noise_changes_nothing(half_pause):
    assert np.array_equal(mix_at_snr(half_pause, np.zeros_like(half_pause), 0.0), half_pause)


def test_match_level():
    reference = np.array([3.0, -4.0], np.float32)
    assert match_level(np.array([0.1, 0.1], np.float32), reference) == pytest.approx(np.sqrt(12.5))
    assert match_level(np.zeros(2, np.float32), reference).tolist() == [0, 0]


def test_empty_ranges():
    with pytest.raises(ValueError, match="min_snr_db=5 dB"):
        Noise(probability=1.0, min_snr_db=5, max_snr_db=0)
    with pytest.raises(ValueError, match="min_voices=0"):
        Babble(probability=1.0, min_snr_db=0.0, max_snr_db=5.0, min_voices=0, max_voices=3)
