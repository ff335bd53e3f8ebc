import numpy as np
import pytest

from avis.augment.channel import Channel

RATE = 16000
OPTIONS = {
    "probability": 1.0,
    "sample_rate": RATE,
    "max_gain_db": 6.0,
    "band_limit_probability": 0.0,
    "min_low_cut_hz": 50.0,
    "max_low_cut_hz": 300.0,
    "min_high_cut_hz": 3400.0,
    "max_high_cut_hz": 8000.0,
}


def response_db(seed, **changes):
    """Frequency response of the filter, from what it makes of an impulse; level-matched, so 0 dB is arbitrary."""
    impulse = np.zeros(RATE, np.float32)
    impulse[RATE // 2] = 1.0
    result = Channel(**(OPTIONS | changes))(impulse, np.random.default_rng(seed))
    magnitude = np.abs(np.fft.rfft(result))
    return 20 * np.log10(magnitude + 1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_the_gain_is_bounded(seed):
    assert np.ptp(response_db(seed)) < 2 * 6.0 + 0.2


def test_the_gain_uses_its_range():
    assert np.mean([np.ptp(response_db(seed)) for seed in range(20)]) > 6.0


def test_without_gain_and_band_limit_nothing_changes():
    waveform = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    result = Channel(**(OPTIONS | {"max_gain_db": 0.0}))(waveform, np.random.default_rng(0))
    assert result == pytest.approx(waveform, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_band_ends_at_its_cuts(seed):
    limits = {"min_low_cut_hz": 300.0, "min_high_cut_hz": 3400.0, "max_high_cut_hz": 3400.0}
    db = response_db(seed, max_gain_db=0.0, band_limit_probability=1.0, **limits)
    db -= db[1000:2000].mean()
    assert np.abs(db[600:2500]).max() < 0.3
    assert db[300] == pytest.approx(-3, abs=1)
    assert db[3400] == pytest.approx(-3, abs=0.3)
    assert db[150] < -30
    assert db[6800] < -33


def test_the_phase_is_zero():
    impulse = np.zeros(4001, np.float32)
    impulse[2000] = 1.0
    result = Channel(**(OPTIONS | {"band_limit_probability": 1.0}))(impulse, np.random.default_rng(3))
    assert np.argmax(result) == 2000
    assert result == pytest.approx(result[::-1], abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_filter_fades_out(seed):
    """A filter cut off in the middle of its ringing would ring itself."""
    impulse = np.zeros(4001, np.float32)
    impulse[2000] = 1.0
    result = Channel(**(OPTIONS | {"band_limit_probability": 1.0}))(impulse, np.random.default_rng(seed))
    assert np.abs(result[2000 + 500 : 2000 + 513]).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_gain_db": -1.0}, "max_gain_db=-1.0 dB"),
        ({"min_low_cut_hz": 400.0}, "min_low_cut_hz=400.0 Hz"),
        ({"min_high_cut_hz": 200.0}, "min_high_cut_hz=200.0 Hz"),
        ({"band_limit_probability": 1.5}, "band_limit_probability=1.5"),
    ],
)
def test_impossible_options(changes, message):
    with pytest.raises(ValueError, match=message):
        Channel(**(OPTIONS | changes))
