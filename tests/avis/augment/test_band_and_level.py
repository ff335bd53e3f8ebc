"""Downsampling, gain, clipping and a band by `Channel`."""

import numpy as np
import pytest
from scipy.signal import welch

from avis.augment.channel import Channel
from avis.augment.clipping import Clipping
from avis.augment.downsample import Downsample
from avis.augment.gain import Gain

RATE = 16000
WHITE = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)


def gain_db(result, low_hz, high_hz):
    frequency, before = welch(WHITE, RATE, nperseg=2048)
    after = welch(result, RATE, nperseg=2048)[1]
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return 10 * np.log10(after[band].sum() / before[band].sum())


@pytest.mark.parametrize("rate", [6000, 8000, 11025])
def test_downsampling_ends_the_band_at_half_the_rate(rate):
    result = Downsample(probability=1.0, sample_rate=RATE, rates=[rate])(WHITE, np.random.default_rng(0))
    assert gain_db(result, 50, 0.45 * rate) == pytest.approx(0, abs=0.1)
    assert gain_db(result, 0.53 * rate, 8000) < -60


def test_rates_are_drawn():
    downsample = Downsample(probability=1.0, sample_rate=RATE, rates=[8000, RATE])
    same = [downsample(WHITE, np.random.default_rng(seed)) is WHITE for seed in range(20)]
    assert 2 < sum(same) < 18


@pytest.mark.parametrize("rates", [[], [22050], [500]])
def test_rates_that_are_refused(rates):
    with pytest.raises(ValueError, match="rates="):
        Downsample(probability=1.0, sample_rate=RATE, rates=rates)


def test_a_band_pass_is_a_channel_without_gain():
    """The telephone's band, with no class of its own."""
    channel = Channel(
        probability=1.0,
        sample_rate=RATE,
        max_gain_db=0.0,
        band_limit_probability=1.0,
        min_low_cut_hz=300.0,
        max_low_cut_hz=300.0,
        min_high_cut_hz=3400.0,
        max_high_cut_hz=3400.0,
    )
    result = channel(WHITE, np.random.default_rng(0))
    inside = gain_db(result, 600, 2500)
    assert gain_db(result, 20, 150) < inside - 30
    assert gain_db(result, 6000, 8000) < inside - 25


def test_gain_in_decibels():
    result = Gain(probability=1.0, min_gain_db=-20.0, max_gain_db=-20.0)(WHITE, np.random.default_rng(0))
    assert result == pytest.approx(0.1 * WHITE)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("silence", [0, 3 * RATE])
def test_the_share_that_is_clipped(share, silence):
    waveform = np.r_[WHITE, np.zeros(silence, np.float32)]
    clipping = Clipping(probability=1.0, min_clipped_share=share, max_clipped_share=share)
    result = clipping(waveform, np.random.default_rng(0))
    changed = result != waveform
    assert changed.sum() == pytest.approx(share * len(WHITE), abs=2)
    assert np.unique(np.abs(result[changed])) == pytest.approx(np.abs(result).max())
    assert np.array_equal(np.sign(result), np.sign(waveform))


def test_shares_that_are_refused():
    with pytest.raises(ValueError, match=r"max_clipped_share=0\.6"):
        Clipping(probability=1.0, min_clipped_share=0.0, max_clipped_share=0.6)
