from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from avis.acoustics.measure import ATTRIBUTES, measure
from avis.corpora.voice import HIGH_FORMANTS_HZ, VOWELS_HZ, draw_channel, draw_voice, synthesise
from tests.avis.acoustics.voices import RATE, noise, syllables

VOICE = syllables(4.0, f0_hz=140.0, duration_s=4.0)
NOTHING = dict.fromkeys(ATTRIBUTES)


def differences(one: dict[str, float | None], other: dict[str, float | None]) -> dict[str, float]:
    """By how much attributes that both have differ: in semitones where they are logarithmic, else in their unit."""
    return {
        name: abs(12.0 * np.log2(one[name] / other[name]) if ATTRIBUTES[name].logarithmic else one[name] - other[name])
        for name in ATTRIBUTES
        if one[name] is not None and other[name] is not None
    }


def test_a_voice_of_known_making() -> None:
    found = measure(VOICE, sample_rate=RATE)
    assert list(found) == list(ATTRIBUTES)
    assert all(type(value) is float for value in found.values())
    assert found["f0_median_hz"] == pytest.approx(140.0, rel=0.01)
    assert found["f0_iqr_semitones"] == pytest.approx(np.sqrt(2.0), rel=0.1)  # of a sine of 1 semitone
    assert found["f4_hz"] == pytest.approx(3500.0, rel=0.03)
    assert found["syllable_rate_hz"] == pytest.approx(4.0, rel=0.1)
    assert found["hnr_db"] > 15.0


def test_the_embedded_voices_are_told_by_pitch_and_by_their_higher_formants() -> None:
    """F1 and F2 are mostly of the vowels that were drawn; F3 and F4 are of the speaker."""
    made, found = [], []
    for seed in range(12):
        voice = draw_voice(np.random.default_rng([seed, 0]))
        channel = draw_channel(np.random.default_rng([seed, 1]))
        samples = synthesise(voice, channel, num_samples=4 * RATE, rng=np.random.default_rng([seed, 2]))
        values = measure(samples, sample_rate=RATE)
        made.append([voice.f0_hz * channel.f0_scale, *np.median(voice.formants_hz[:, 2:4], axis=0)])
        found.append([values["f0_median_hz"], values["f3_hz"], values["f4_hz"]])
    semitones = 12.0 * np.log2(np.array(found, dtype=float) / np.array(made))
    assert np.abs(semitones[:, 0]).max() < 3.0  # the melody wanders
    assert np.median(np.abs(semitones[:, 0])) < 1.0
    assert np.median(np.abs(semitones[:, 1:]), axis=0).max() < 1.0


@pytest.mark.parametrize("gain", [2.0**-100, 1e-4, 0.3, 7.0, 2.0**80])
def test_level_does_not_matter(gain: float) -> None:
    found = measure(VOICE * np.float32(gain), sample_rate=RATE)
    assert max(differences(found, measure(VOICE, sample_rate=RATE)).values()) < 1e-3


def test_an_offset_does_not_matter() -> None:
    found = measure(VOICE + np.float32(0.1), sample_rate=RATE)
    assert max(differences(found, measure(VOICE, sample_rate=RATE)).values()) < 0.05


@pytest.mark.parametrize("sample_rate", [11025, 22050, 44100, 48000])
def test_sample_rates_agree(sample_rate: int) -> None:
    other = scipy.signal.resample(VOICE, round(len(VOICE) * sample_rate / RATE)).astype(np.float32)
    assert max(differences(measure(other, sample_rate=sample_rate), measure(VOICE, sample_rate=RATE)).values()) < 0.1


def test_of_a_telephone_all_but_f4_is_told_much_as_of_a_microphone() -> None:
    narrow = scipy.signal.resample(VOICE, len(VOICE) // 2).astype(np.float32)
    found, wide = measure(narrow, sample_rate=8000), measure(VOICE, sample_rate=RATE)
    apart = differences(found, wide)
    assert found["f4_hz"] is None
    assert apart.keys() == ATTRIBUTES.keys() - {"f4_hz"}
    assert max(value for name, value in apart.items() if name[:2] in ("f1", "f2", "f3")) < 1.0
    assert max(value for name, value in apart.items() if name[:2] not in ("f1", "f2", "f3")) < 0.1


def test_clipping_leaves_pitch_and_tempo() -> None:
    level = np.quantile(np.abs(VOICE), 0.9)
    apart = differences(measure(np.clip(VOICE, -level, level), sample_rate=RATE), measure(VOICE, sample_rate=RATE))
    assert apart["f0_median_hz"] < 0.25
    assert apart["syllable_rate_hz"] < 0.3
    assert max(apart[name] for name in ("f1_hz", "f2_hz", "f3_hz", "f4_hz")) < 2.0


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(1),
        np.ones(1),
        np.zeros(3 * RATE),
        np.full(3 * RATE, 0.2),
        VOICE[: round(0.3 * RATE)],
        0.1 * noise(0, 3.0),
        np.sin(2.0 * np.pi * 50.0 * np.arange(3 * RATE) / RATE),
        np.sin(2.0 * np.pi * 100.0 * np.arange(3 * RATE) / RATE) + 0.01 * noise(0, 3.0),
        scipy.signal.square(2.0 * np.pi * 120.0 * np.arange(3 * RATE) / RATE),
        (np.arange(3 * RATE) % RATE == 0).astype(float),
    ],
    ids=["empty", "a zero", "a sample", "silence", "offset", "0.3 s", "noise", "hum", "100 Hz", "buzz", "clicks"],
)
def test_where_there_is_too_little_voice_nothing_is_told(samples: np.ndarray) -> None:
    assert measure(samples.astype(np.float32), sample_rate=RATE) == NOTHING


def test_digital_silence_around_a_voice_does_not_matter() -> None:
    around = np.concatenate([np.zeros(40 * RATE, np.float32), VOICE[: 2 * RATE], np.zeros(40 * RATE, np.float32)])
    assert (
        max(differences(measure(around, sample_rate=RATE), measure(VOICE[: 2 * RATE], sample_rate=RATE)).values()) < 1.0
    )


def test_too_low_a_sample_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="got sample_rate=7999 Hz, expected at least 8000"):
        measure(VOICE, sample_rate=7999)


def test_every_attribute_says_what_it_is() -> None:
    assert all(attribute.unit and attribute.words for attribute in ATTRIBUTES.values())
    assert {name for name, attribute in ATTRIBUTES.items() if attribute.unit == "Hz"} == {
        name for name in ATTRIBUTES if name[0] == "f" and name.endswith("_hz")
    }


def test_vowels_and_formants_of_the_embedded_voices_are_those_that_the_analysis_expects() -> None:
    assert VOWELS_HZ.max() < HIGH_FORMANTS_HZ.min() < 10500 / 2


@pytest.mark.shared_data
def test_recordings_of_real_people_have_all_attributes_within_what_voices_do(shared: Path) -> None:
    import soundfile as sf

    within = {
        "f0_median_hz": (60.0, 350.0),
        "f1_hz": (250.0, 850.0),
        "f2_hz": (900.0, 2300.0),
        "f3_hz": (1900.0, 3400.0),
        "f4_hz": (2800.0, 4700.0),
        "tilt_db_per_octave": (-20.0, 1.0),
        "hnr_db": (0.0, 25.0),
        "syllable_rate_hz": (0.5, 8.0),
    }
    paths = sorted((shared / "speech" / "voxforge" / "test").glob("*/*/*.flac"))[::16]
    assert len(paths) > 8
    for path in paths:
        samples, sample_rate = sf.read(path, dtype="float32")
        found = measure(samples, sample_rate=sample_rate)
        assert all(low < found[name] < high for name, (low, high) in within.items()), (path, found)
