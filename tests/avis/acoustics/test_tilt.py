import numpy as np
import pytest

from avis.acoustics.spectrum import Spectrum, long_term_spectrum
from avis.acoustics.tilt import tilt_db_per_octave
from tests.avis.acoustics.voices import noise


def sloped_noise(slope_db_per_octave: float, sample_rate: int) -> np.ndarray:
    spectrum = np.fft.rfft(noise(0, 8.0, sample_rate=sample_rate))
    frequencies_hz = np.fft.rfftfreq(8 * sample_rate, 1.0 / sample_rate)
    octaves = np.log2(np.maximum(frequencies_hz, 20.0) / 1000.0)
    wave = np.fft.irfft(spectrum * 10.0 ** (slope_db_per_octave * octaves / 20.0))
    return (0.1 * wave / wave.std()).astype(np.float32)


@pytest.mark.parametrize("slope_db_per_octave", [-12.0, -6.0, -3.0, 0.0, 6.0])
@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_the_slope_of_noise(slope_db_per_octave: float, sample_rate: int) -> None:
    samples = sloped_noise(slope_db_per_octave, sample_rate)
    spectrum = long_term_spectrum(samples, np.arange(10, 790), sample_rate=sample_rate)
    assert tilt_db_per_octave(spectrum) == pytest.approx(slope_db_per_octave, abs=0.25)


def test_only_the_telephones_band_counts() -> None:
    frequencies_hz = np.arange(0.0, 8001.0, 10.0)
    power = np.where((frequencies_hz >= 300.0) & (frequencies_hz < 3400.0), np.maximum(frequencies_hz, 1.0) ** -2, 1e9)
    assert tilt_db_per_octave(Spectrum(frequencies_hz, power)) == pytest.approx(-20.0 * np.log10(2.0), abs=0.05)


def test_only_the_frames_that_are_named_count() -> None:
    falling, flat = sloped_noise(-6.0, 8000), sloped_noise(0.0, 8000)
    samples = np.concatenate([falling, 10.0 * flat])
    spectrum = long_term_spectrum(samples, np.arange(10, 790), sample_rate=8000)
    assert tilt_db_per_octave(spectrum) == pytest.approx(-6.0, abs=0.25)
