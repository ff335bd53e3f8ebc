import numpy as np
import pytest
import scipy.signal

from avis.acoustics.spectrum import long_term_spectrum
from tests.avis.acoustics.voices import RATE, noise


def test_is_welchs_where_frames_are_all_of_a_steady_sound() -> None:
    b, a = scipy.signal.butter(2, 0.3)
    samples = scipy.signal.lfilter(b, a, noise(0, 4.0)).astype(np.float32)
    found = long_term_spectrum(samples, np.arange(2, 398), sample_rate=RATE)
    frequencies_hz, power = scipy.signal.welch(
        samples, RATE, window="hann", nperseg=512, noverlap=512 - 160, detrend=False
    )
    np.testing.assert_allclose(found.frequencies_hz, frequencies_hz)
    ratio = (found.power / power)[1:-1]
    np.testing.assert_allclose(ratio / ratio.mean(), 1.0, rtol=0.05)


def test_the_mean_of_a_band_ends_below_its_upper_edge() -> None:
    spectrum = long_term_spectrum(np.ones(RATE, np.float32), np.arange(3, 97), sample_rate=RATE)
    assert spectrum.mean_between(0.0, 31.25) == pytest.approx(spectrum.power[0])
    assert spectrum.mean_between(0.0, 31.3) == pytest.approx(spectrum.power[:2].mean())
