"""Spectra are those of NumPy, and lead back to every sample."""

import numpy as np
import pytest

from avis.explain.spectra import SHIFTS, analyse, bins_hz, frame_length, synthesise


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("num", [4000, 4001, 12345])
def test_what_is_not_changed_comes_back_from_the_first_sample_to_the_last(rate, num):
    samples = (8000 * np.random.default_rng(num).normal(size=num) + 3000).astype(np.float32)
    spectra = analyse(samples, sample_rate=rate)
    assert spectra.dtype == np.complex64
    assert synthesise(spectra, num, sample_rate=rate) == pytest.approx(samples, abs=0.05)


def test_a_frame_is_a_windowed_spectrum():
    samples = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    length = frame_length(16000)
    shift = length // SHIFTS
    start = 10 * shift - (length - shift)
    expected = np.fft.rfft(samples[start : start + length] * np.hanning(length + 1)[:-1])
    assert analyse(samples, sample_rate=16000)[10] == pytest.approx(expected, abs=1e-4)


def test_bins_are_where_tones_are():
    samples = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000)
    loudest = np.abs(analyse(samples, sample_rate=16000))[20].argmax()
    assert bins_hz(16000)[loudest] == 1000
