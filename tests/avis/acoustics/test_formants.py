import numpy as np
import pytest
import scipy.linalg
import soxr

from avis.acoustics.formants import formant_medians_hz, is_telephone, predict, track_formants
from avis.acoustics.spectrum import long_term_spectrum
from tests.avis.acoustics.voices import RATE, VOWELS_HZ, formants_hz, glottis, held_vowel, noise, resonate

INNER = np.arange(5, 145)


@pytest.mark.parametrize("vowel", VOWELS_HZ)
@pytest.mark.parametrize(("f0_hz", "scale"), [(100.0, 1.0), (140.0, 0.95), (190.0, 1.16)])
def test_formants_of_vowels_of_men_and_women(vowel: str, f0_hz: float, scale: float) -> None:
    found = formant_medians_hz(held_vowel(vowel, f0_hz, scale=scale), INNER, sample_rate=RATE)
    semitones = 12.0 * np.log2(found / (scale * formants_hz(vowel)[:4]))
    assert abs(semitones[0]) < 12.0 * np.log2(1.0 + 0.25 * f0_hz / (scale * VOWELS_HZ[vowel][0]))  # a quarter of F0
    assert np.abs(semitones[1:]).max() < 0.6


def test_whispered_formants_need_no_voice() -> None:
    whisper = resonate(glottis(noise(0, 1.5)), formants_hz("head")).astype(np.float32)
    found = formant_medians_hz(whisper, INNER, sample_rate=RATE)
    np.testing.assert_allclose(found, formants_hz("head")[:4], rtol=0.03)


@pytest.mark.parametrize("vowel", VOWELS_HZ)
def test_of_a_telephone_the_lower_three_are_told(vowel: str) -> None:
    narrow = soxr.resample(held_vowel(vowel), RATE, 8000)
    wide_again = np.rint(soxr.resample(narrow, 8000, RATE) * 32768).astype(np.float32) / 32768
    for samples, rate in ((narrow, 8000), (wide_again, RATE)):
        found = formant_medians_hz(samples, INNER, sample_rate=rate)
        np.testing.assert_allclose(found[:3], formants_hz(vowel)[:3], rtol=0.06)
        assert np.isnan(found[3])


def test_a_telephone_is_told_by_what_is_missing_above_4_khz() -> None:
    wide = held_vowel("had")
    narrow = soxr.resample(soxr.resample(wide, RATE, 8000), 8000, RATE)
    found = [
        is_telephone(long_term_spectrum(soxr.resample(x, RATE, 10500), INNER, sample_rate=10500))
        for x in (wide, narrow, narrow + 1e-4 * noise(0, 1.5).astype(np.float32))
    ]
    assert found == [False, True, True]


def test_prediction_solves_the_normal_equations() -> None:
    frames = resonate(noise(1, 0.06), formants_hz("hod"))[:960].reshape(3, 320)
    found = predict(frames, order=10)
    windowed = frames * np.hanning(322)[1:-1]
    for frame, polynomial in zip(windowed, found, strict=True):
        correlation = np.correlate(frame, frame, "full")[319:330]
        expected = scipy.linalg.solve_toeplitz(correlation[:10], -correlation[1:11])
        np.testing.assert_allclose(polynomial, [1.0, *expected], rtol=1e-4, atol=1e-4)


def test_a_formant_that_most_frames_lack_is_not_told() -> None:
    two = resonate(glottis(noise(0, 1.5)), np.array([500.0, 1500.0])).astype(np.float32)
    found = formant_medians_hz(two, INNER, sample_rate=RATE)
    assert found[0] == pytest.approx(500.0, rel=0.03)
    assert np.isnan(found[3])


def test_tracks_ascend_and_no_frames_give_none() -> None:
    samples = soxr.resample(held_vowel("had"), RATE, 10500)
    tracks = track_formants(samples, INNER, sample_rate=10500)
    assert tracks.shape == (len(INNER), 4)
    assert (np.diff(tracks, axis=1)[np.isfinite(tracks[:, 1:])] > 0.0).all()
    assert track_formants(samples, INNER[:0], sample_rate=10500).shape == (0, 4)
