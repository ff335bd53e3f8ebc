import numpy as np
import pytest

from avis.augment.bank import Bank
from avis.augment.reverb import Reverb


def test_equals_convolution_by_hand():
    """Direct path at sample 2, an echo 3 samples later at half the level, something small before."""
    response = np.array([0.0, 0.1, 1.0, 0.0, 0.0, 0.5], np.float32)
    waveform = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    expected = waveform.copy()
    expected[3:] += 0.5 * waveform[:-3]
    expected[:-1] += 0.1 * waveform[1:]
    expected *= np.sqrt(np.mean(waveform**2) / np.mean(expected**2))
    result = Reverb(probability=1.0)(waveform, np.random.default_rng(0), Bank.from_recordings([response]))
    assert result == pytest.approx(expected, abs=1e-3)


def test_a_response_that_is_one_peak_changes_nothing():
    waveform = np.random.default_rng(0).standard_normal(400).astype(np.float32)
    response = np.zeros(1000, np.float32)
    response[700] = -0.2
    result = Reverb(probability=1.0)(waveform, np.random.default_rng(0), Bank.from_recordings([response]))
    assert result == pytest.approx(-waveform, abs=1e-5)


def test_a_response_longer_than_the_waveform():
    response = np.exp(-np.arange(5000) / 500).astype(np.float32)
    result = Reverb(probability=1.0)(
        np.ones(100, np.float32), np.random.default_rng(0), Bank.from_recordings([response])
    )
    expected = np.cumsum(response[:100])
    assert result == pytest.approx(expected / np.sqrt(np.mean(expected**2)), abs=1e-3)
