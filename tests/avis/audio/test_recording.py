"""A recording is the same however it is handed over."""

import io

import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.decode import decode
from avis.audio.recording import Hearing

HEARING = Hearing(sample_rate=16000, channel="mix", vad=None, trim="none", min_duration_s=0.5)


def talk(rate=8000, duration_s=2.0):
    time_s = np.arange(int(rate * duration_s)) / rate
    return (0.3 * np.sin(2 * np.pi * 200 * time_s) * np.sin(2 * np.pi * time_s).clip(0)).astype(np.float32)


def test_a_path_its_bytes_and_its_samples_are_one_recording(tmp_path):
    path = str(tmp_path / "a.wav")
    sf.write(path, talk(), 8000, subtype="FLOAT")
    taken = HEARING.take(path)
    with open(path, "rb") as file:
        given = [HEARING.take(file.read()), HEARING.take_samples(talk(), 8000)]
    assert len(taken.values) == 32000
    for other in given:
        assert np.array_equal(other.values, taken.values)
        assert other.quality == taken.quality


def test_a_stretch_of_bytes_is_that_of_the_file(tmp_path):
    path = str(tmp_path / "a.flac")
    sf.write(path, talk(), 8000)
    stretch = {"start_s": 0.3, "end_s": 1.4}
    with open(path, "rb") as file:
        assert np.array_equal(HEARING.take(file.read(), **stretch).values, HEARING.take(path, **stretch).values)


def test_values_are_those_of_16_bits():
    values = np.array([12345, -32768, 32767, 0] * 4000, np.int16)
    assert np.array_equal(HEARING.take_samples(values / np.float32(32768), 16000).values, values)


def test_pauses_are_cut_away_and_speech_is_measured_before():
    pause, tone = np.zeros(16000, np.float32), talk(16000)
    hearing = Hearing(sample_rate=16000, channel="mix", vad="energy", trim="ends", min_duration_s=0.5)
    taken = hearing.take_samples(np.concatenate([pause, tone, pause]), 16000)
    assert 0.9 < taken.quality["speech_s"] < 1.1
    assert len(taken.values) < 4 * 16000


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(16000, np.float32), "silent"),
        (talk()[:100], "too_short"),
        (np.full(16000, np.nan, np.float32), "non_finite"),
        (100 * talk(), "over_scale"),
    ],
)
def test_what_is_no_speech_says_why_and_names_what_was_given(samples, reason):
    with pytest.raises(AudioError, match="At the recording that was given") as refused:
        HEARING.take_samples(samples, 8000)
    assert refused.value.reason == reason


def test_bytes_that_are_no_audio_are_refused():
    with pytest.raises(AudioError) as refused:
        HEARING.take(b"not audio at all")
    assert refused.value.reason == "unreadable"
    with pytest.raises(AudioError, match="no bytes"):
        HEARING.take(b"")


def test_the_cleanest_channel_is_heard_where_it_is_asked_for():
    both = np.stack([np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1, talk(8000)], axis=1)
    file = io.BytesIO()
    sf.write(file, both, 8000, format="WAV", subtype="FLOAT")
    best = Hearing(sample_rate=8000, channel="best", vad=None, trim="none", min_duration_s=0.5)
    assert np.array_equal(best.take(file.getvalue()).values, best.take_samples(talk(8000), 8000).values)
    second = decode(file.getvalue(), sample_rate=8000, min_duration_s=0.5, channel=2)
    assert second == pytest.approx(talk(8000))


def test_integers_have_the_full_scale_of_their_type():
    floats = np.round(talk(16000) * 100) / 128
    expected = HEARING.take_samples(floats, 16000).values
    for samples in (
        (floats * 128).astype(np.int8),
        (floats * 128 + 128).astype(np.uint8),
        (floats * 32768).astype(">i2"),
        (floats * 2.0**31).astype(np.int32),
    ):
        assert np.array_equal(HEARING.take_samples(samples, 16000).values, expected)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (talk()[None], 8000, r"Turn it round \(samples\.T\)"),
        (talk().astype(complex), 8000, "no samples: got complex128"),
        (np.zeros((3, 3, 3)), 8000, "of shape"),
        ((talk() * 32768).astype(np.int64), 8000, r"full scale not known: got int64 .*astype\('int16'\)"),
        (talk(), float("nan"), "no sample rate: got nan Hz"),
        (talk(), -8000, "no sample rate: got -8000 Hz"),
        (talk(), 10**12, "no sample rate"),
    ],
)
def test_samples_that_cannot_be_taken_say_what_to_give(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        HEARING.take_samples(samples, rate)
