"""Speech with pauses that are known to the sample."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import soxr

from avis.audio.audio_error import AudioError
from avis.audio.quality import measure
from avis.audio.vad import PADDING_S, TrimChoice, find_speech, trim
from avis.corpora.voice import draw_channel, draw_voice, synthesise

RATE = 16000
SPEECH_S = [(0.7, 1.9), (2.6, 3.5), (4.4, 5.6)]
LENGTH_S = 6.5


def spoken(sample_rate: int = RATE, *, snr_db: float = 30.0, seed: int = 0) -> np.ndarray:
    """Buzzes with the formants of vowels, in `SPEECH_S`, in white noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(LENGTH_S * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(t))
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
    on = np.zeros(len(t))
    for start, end in SPEECH_S:
        on[round(start * sample_rate) : round(end * sample_rate)] = 1.0
    voice = 0.1 * on * buzz
    level = np.sqrt(np.mean(voice[on > 0] ** 2)) * 10 ** (-snr_db / 20)
    return (voice + level * noise).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize("snr_db", [12.0, 30.0, 60.0])
def test_energy_finds_the_ends_within_two_frames(sample_rate: int, snr_db: float):
    found = find_speech(spoken(sample_rate, snr_db=snr_db), sample_rate=sample_rate, vad="energy") / sample_rate
    np.testing.assert_allclose(found, SPEECH_S, atol=0.02)


@pytest.mark.parametrize("sample_rate", [16000, 44100])
def test_silero_hears_synthetic_voices(sample_rate: int):
    """It wants to be sure before it begins: late by a syllable at most, and never in a pause."""
    pytest.importorskip("silero_vad")
    rng = np.random.default_rng(4)
    voice, channel = draw_voice(rng), draw_channel(rng)
    x = 1e-4 * rng.standard_normal(round(LENGTH_S * RATE)).astype(np.float32)
    for start, end in SPEECH_S:
        num = round((end - start) * RATE)
        x[round(start * RATE) :][:num] += synthesise(voice, channel, num_samples=num, rng=rng)
    x = soxr.resample(x, RATE, sample_rate)
    found = find_speech(x, sample_rate=sample_rate, vad="silero") / sample_rate
    late, over = (found - SPEECH_S).T
    assert (late > -0.04).all()
    assert (late < 0.25).all()
    assert (np.abs(over) < 0.07).all()


@pytest.mark.slow
def test_silero_leaves_torch_its_threads():
    """Importing the package sets them to one."""
    if importlib.util.find_spec("silero_vad") is None:
        pytest.skip("silero-vad is not installed")
    code = (
        "import numpy, torch; from avis.audio.vad import find_speech; torch.set_num_threads(2);"
        "find_speech(numpy.zeros(9000, numpy.float32), sample_rate=16000, vad='silero'); print(torch.get_num_threads())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2\n"


def test_level_and_offset_change_nothing():
    x = spoken()
    expected = find_speech(x, sample_rate=RATE, vad="energy")
    for other in (0.1 * x, x + np.float32(0.2)):
        np.testing.assert_array_equal(find_speech(other.astype(np.float32), sample_rate=RATE, vad="energy"), expected)


def test_short_pauses_are_kept_and_clicks_are_not():
    x = 0.001 * np.random.default_rng(0).standard_normal(4 * RATE)
    x[RATE : 2 * RATE] *= 100
    x[int(1.4 * RATE) : int(1.5 * RATE)] /= 100
    x[3 * RATE : 3 * RATE + 300] *= 100
    found = find_speech(x.astype(np.float32), sample_rate=RATE, vad="energy") / RATE
    np.testing.assert_allclose(found, [[1.0, 2.0]], atol=0.02)


def test_without_a_detector_stretches_are_the_frames_that_are_counted():
    x = spoken() * np.float32(np.sign(np.sin(40 * np.arange(round(LENGTH_S * RATE)) / RATE)) > 0)
    found = find_speech(x, sample_rate=RATE, vad=None)
    counted = measure(x, sample_rate=RATE)["speech_s"]
    assert np.diff(found).sum() / RATE == pytest.approx(counted)
    assert len(found) > len(find_speech(x, sample_rate=RATE, vad="energy"))


@pytest.mark.parametrize("vad", ["energy", "silero"])
def test_nothing_is_found_in_noise_or_silence(vad: str):
    if vad == "silero":
        pytest.importorskip("silero_vad")
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    for x in (noise, np.float32(1e-4) * noise, np.zeros(3 * RATE, np.float32), noise[:100]):
        found = find_speech(x, sample_rate=RATE, vad=vad)  # type: ignore[arg-type]
        assert found.shape == (0, 2)
        with pytest.raises(AudioError, match=r"no_speech: nothing to keep: .*At a\.wav") as error:
            trim(x, found, sample_rate=RATE, keep="ends", where="a.wav")
        assert error.value.reason == "no_speech"
        assert trim(x, found, sample_rate=RATE, keep="none", where="a.wav") is x


@pytest.mark.parametrize(
    ("keep", "seconds"),
    [("none", LENGTH_S), ("ends", 5.6 - 0.7 + 2 * PADDING_S), ("all", 1.2 + 0.9 + 1.2 + 6 * PADDING_S)],
)
def test_what_is_no_speech_is_cut_away(keep: TrimChoice, seconds: float):
    x = spoken()
    kept = trim(x, np.rint(np.array(SPEECH_S) * RATE).astype(int), sample_rate=RATE, keep=keep, where="a.wav")
    assert len(kept) == pytest.approx(seconds * RATE, abs=6)
    loud = [np.count_nonzero(np.abs(each) > 0.05) for each in (x, kept)]
    assert loud[0] == loud[1]


def test_padding_does_not_reach_beyond_the_recording():
    x = np.ones(RATE, np.float32)
    assert len(trim(x, np.array([[10, RATE - 10]]), sample_rate=RATE, keep="all", where="a.wav")) == RATE
