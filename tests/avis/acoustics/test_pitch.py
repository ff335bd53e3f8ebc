from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from avis.acoustics.band import VOICE_RATE_HZ, voice_band
from avis.acoustics.pitch import Contour, track_pitch
from tests.avis.acoustics.voices import RATE, VOWELS_HZ, held_vowel, melody, noise, syllables


def pitch_of(samples: np.ndarray, sample_rate: int = RATE) -> Contour:
    return track_pitch(voice_band(samples.astype(np.float32), sample_rate=sample_rate), sample_rate=VOICE_RATE_HZ)


@pytest.mark.parametrize("f0_hz", [100.0, 173.0, 220.0, 341.0, 480.0])
def test_the_pitch_of_pure_tones(f0_hz: float) -> None:
    found = pitch_of(0.1 * np.sin(2.0 * np.pi * f0_hz * np.arange(RATE) / RATE)).f0_hz
    assert len(found) == 100
    np.testing.assert_allclose(found[3:-3], f0_hz, rtol=3e-3)


@pytest.mark.few(10)
@pytest.mark.parametrize("vowel", VOWELS_HZ)
@pytest.mark.parametrize("f0_hz", [65.0, 90.0, 120.0, 210.0, 330.0])
def test_a_melody_is_followed_through_any_vowel(vowel: str, f0_hz: float) -> None:
    found = pitch_of(held_vowel(vowel, f0_hz)).f0_hz[3:-3]
    expected = melody(f0_hz, 1.5)[RATE // 200 :: RATE // 100][3:-3]
    semitones = 12.0 * np.log2(found / expected)
    assert np.isfinite(found).mean() > 0.98
    assert np.nanmax(np.abs(semitones)) < 0.5
    assert abs(np.nanmedian(semitones)) < 0.05


def test_the_fundamental_itself_need_not_be_there() -> None:
    narrow = scipy.signal.sosfilt(
        scipy.signal.butter(4, [300, 3400], "bandpass", fs=RATE, output="sos"), held_vowel("had", 110.0)
    )
    assert np.nanmedian(pitch_of(narrow).f0_hz) == pytest.approx(110.0, rel=0.01)


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 10.0])
def test_noise_costs_frames_rather_than_octaves(snr_db: float) -> None:
    voice = held_vowel("hod", 110.0, duration_s=3.0)
    level = np.sqrt(np.mean(voice**2)) * 10.0 ** (-snr_db / 20.0)
    found = pitch_of(voice + level * noise(0, 3.0)).f0_hz
    found = found[np.isfinite(found)]
    assert len(found) > 150
    assert (np.abs(12.0 * np.log2(found / 110.0)) < 2.0).mean() > 0.98


def test_every_other_pulse_weaker_is_no_octave_down() -> None:
    f0_hz = melody(200.0, 2.0)
    samples = held_vowel("had", 200.0, duration_s=2.0) * (1.0 + 0.1 * np.cos(np.pi * np.cumsum(f0_hz) / RATE))
    assert np.nanpercentile(pitch_of(samples).f0_hz, [2, 98]) == pytest.approx([189.0, 212.0], rel=0.03)


def test_a_creak_at_the_end_is_no_part_of_the_melody() -> None:
    f0_hz = melody(200.0, 3.0)
    creak = np.where(np.arange(len(f0_hz)) > 2.5 * RATE, 0.5, 0.0) * np.cos(np.pi * np.cumsum(f0_hz) / RATE)
    found = pitch_of(held_vowel("had", 200.0, duration_s=3.0) * (1.0 + creak)).f0_hz
    assert np.nanpercentile(found, [0.5, 99.5]) == pytest.approx([189.0, 212.0], rel=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_any_colour_has_no_pitch(seed: int) -> None:
    colour = scipy.signal.lfilter([1.0], [1.0, -0.2 * seed], noise(seed, 3.0))
    assert len(pitch_of(0.05 * colour).voiced) <= 3


def test_neither_silence_nor_pauses_nor_a_hum_in_them_have_pitch() -> None:
    assert len(pitch_of(np.zeros(RATE)).voiced) == 0
    samples = syllables(4.0, f0_hz=150.0, duration_s=3.0, pause_s=2.0)
    hum = 0.0015 * np.sin(2.0 * np.pi * 100.0 * np.arange(len(samples)) / RATE)
    found = pitch_of(samples + hum)
    assert found.voiced.max() < 302
    assert np.nanpercentile(found.f0_hz, [1, 99]) == pytest.approx([142.0, 159.0], rel=0.03)


@pytest.mark.parametrize("num_samples", [0, 1, 100, 160, 400])
def test_the_shortest_recordings(num_samples: int) -> None:
    assert len(pitch_of(0.1 * noise(0, num_samples / RATE)).f0_hz) == num_samples // 160


@pytest.mark.parametrize("sample_rate", [8000, 11025, 44100])
def test_sample_rates_agree(sample_rate: int) -> None:
    voice = held_vowel("head", 140.0)
    other = scipy.signal.resample(voice, round(len(voice) * sample_rate / RATE))
    one, two = pitch_of(voice).f0_hz, pitch_of(other, sample_rate).f0_hz
    np.testing.assert_allclose(one[3:-4], two[3 : len(one) - 4], rtol=5e-3)


@pytest.mark.shared_data
def test_men_who_read_are_heard_where_men_speak(shared: Path) -> None:
    """Median F0 of men is 85 to 180 Hz: Baken and Orlikoff, "Clinical Measurement of Speech and Voice", 2000."""
    import soundfile as sf

    medians = []
    for path in sorted((shared / "speech" / "voxforge" / "test").glob("*/*/*.flac"))[::20]:
        medians.append(np.nanmedian(pitch_of(*sf.read(path, dtype="float32")).f0_hz))
    assert len(medians) > 5
    assert np.mean((np.array(medians) > 80.0) & (np.array(medians) < 190.0)) >= 0.9
