import numpy as np
import pytest

from avis.augment.bank import Bank
from avis.augment.foreground_noise import ForegroundNoise

RATE = 16000


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_noises_at_their_level_with_pauses(snr_db):
    rng = np.random.default_rng(0)
    bank = Bank.from_recordings([0.1 * rng.standard_normal(RATE).astype(np.float32) for _ in range(3)])
    foreground = ForegroundNoise(
        probability=1.0, sample_rate=RATE, interval_s=0.5, min_snr_db=snr_db, max_snr_db=snr_db
    )
    speech = (0.2 * rng.standard_normal(4 * RATE)).astype(np.float32)
    added = foreground(speech, np.random.default_rng(1), bank) - speech
    for start in (0.0, 1.5, 3.0):
        noise = added[int(start * RATE) : int((start + 1) * RATE)]
        assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.15)
        assert not added[int((start + 1) * RATE) : int((start + 1.5) * RATE)].any()


def test_each_noise_has_a_level_of_its_own():
    bank = Bank.from_recordings([np.ones(1600, np.float32)])
    foreground = ForegroundNoise(probability=1.0, sample_rate=RATE, interval_s=0.0, min_snr_db=0.0, max_snr_db=20.0)
    speech = np.random.default_rng(0).standard_normal(16 * RATE).astype(np.float32)
    levels = (foreground(speech, np.random.default_rng(0), bank) - speech).reshape(-1, 1600)
    assert np.ptp(levels, axis=1).max() < 1e-5
    drawn_db = -20 * np.log10(levels[:, 0])
    assert -0.3 < drawn_db.min() < 2
    assert 18 < drawn_db.max() < 20.3


def test_a_long_noise_is_heard_from_anywhere():
    bank = Bank.from_recordings([np.linspace(0.1, 1, 60 * RATE, dtype=np.float32)])
    foreground = ForegroundNoise(probability=1.0, sample_rate=RATE, interval_s=0.0, min_snr_db=0.0, max_snr_db=0.0)
    speech = np.ones(RATE, np.float32)
    added = [foreground(speech, np.random.default_rng(seed), bank) - speech for seed in range(30)]
    rises = [noise[-1] / noise[0] for noise in added]  # the later, the flatter
    assert min(rises) < 1.02
    assert max(rises) > 1.06
