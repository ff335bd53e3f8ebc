from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile as sf
import soxr

from avis.audio.decode import decode
from avis.audio.quality import _window, measure
from avis.schema import UTTERANCES

RATE = 16000


def bursts(rng: np.random.Generator, duration_s: float = 10.0, *, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Noise modulated at 4 Hz in stretches of 1 s, and where it is on."""
    t = np.arange(round(duration_s * RATE)) / RATE
    on = t % 1.0 < share
    carrier = scipy.signal.lfilter([1.0], [1.0, -0.9], rng.standard_normal(len(t)))
    return carrier * on * (1.0 + 0.5 * np.sin(2 * np.pi * 4 * t)), on


@pytest.mark.parametrize("snr_db", [8.0, 15.0, 25.0, 40.0])
@pytest.mark.parametrize("colour", [0.0, 0.9])
def test_snr_of_bursts_in_noise(snr_db: float, colour: float) -> None:
    rng = np.random.default_rng(int(snr_db))
    speech, on = bursts(rng)
    noise = scipy.signal.lfilter([1.0], [1.0, -colour], rng.standard_normal(len(speech)))
    speech *= 0.1 / np.sqrt(np.mean(speech[on] ** 2))
    noise *= 0.1 * 10 ** (-snr_db / 20) / np.sqrt(np.mean(noise**2))
    found = measure((speech + noise).astype(np.float32), sample_rate=RATE)
    assert found["snr_db"] == pytest.approx(snr_db, abs=2.5)
    assert found["speech_s"] == pytest.approx(5.0, abs=0.6)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_speech_seconds_do_not_depend_on_level_or_offset(share: float) -> None:
    rng = np.random.default_rng(0)
    speech, _ = bursts(rng, share=share)
    x = (0.02 * speech + 0.001 * rng.standard_normal(len(speech))).astype(np.float32)
    expected = measure(x, sample_rate=RATE)["speech_s"]
    assert expected == pytest.approx(10 * share, rel=0.12)
    assert measure(x * np.float32(0.1), sample_rate=RATE)["speech_s"] == pytest.approx(expected, abs=0.03)
    assert measure(x + np.float32(0.1), sample_rate=RATE)["speech_s"] == pytest.approx(expected, abs=0.03)


def test_what_is_steady_is_no_speech_and_has_no_snr() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE)
    hum = 0.1 * np.sin(2 * np.pi * 200 * np.arange(5 * RATE) / RATE)
    for x in (noise, hum):
        found = measure(x.astype(np.float32), sample_rate=RATE)
        assert found["speech_s"] == 0.0
        assert found["snr_db"] is None


@pytest.mark.parametrize("offset", [-0.2, 0.0, 0.001])
def test_dc_offset_is_the_mean_of_whole_periods(offset: float) -> None:
    x = 0.25 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE) + offset
    assert measure(x.astype(np.float32), sample_rate=RATE)["dc_offset"] == pytest.approx(offset, abs=1e-6)


def test_clip_ratio_and_level_of_a_clipped_sine() -> None:
    sine = np.sin(2 * np.pi * 101 * np.arange(RATE) / RATE)
    clipped = measure(np.clip(2 * sine, -1, 1).astype(np.float32), sample_rate=RATE)
    # |2 sin| >= 1 two thirds of the time; over the rest, 4 sin^2 integrates to 2/3 - sqrt(3)/pi
    assert clipped["clip_ratio"] == pytest.approx(2 / 3, abs=0.01)
    assert clipped["rms_dbfs"] == pytest.approx(10 * np.log10(4 / 3 - np.sqrt(3) / np.pi), abs=0.02)
    clean = measure((0.5 * sine).astype(np.float32), sample_rate=RATE)
    assert clean["clip_ratio"] == 0.0
    assert clean["rms_dbfs"] == pytest.approx(-9.03, abs=0.01)


@pytest.mark.parametrize("cutoff_hz", [1000.0, 3400.0, 4000.0, 6000.0])
def test_bandwidth_of_low_passed_noise(cutoff_hz: float) -> None:
    taps = scipy.signal.firwin(1601, cutoff_hz, fs=RATE, window=("kaiser", 8.0))
    x = scipy.signal.fftconvolve(0.1 * np.random.default_rng(0).standard_normal(3 * RATE), taps, "same")
    assert measure(x.astype(np.float32), sample_rate=RATE)["bandwidth_hz"] == pytest.approx(cutoff_hz, rel=0.1)


def test_full_band_noise_reaches_half_the_sample_rate() -> None:
    x = (0.1 * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)
    assert measure(x, sample_rate=RATE)["bandwidth_hz"] == pytest.approx(8000.0, rel=0.02)


def test_a_burst_shorter_than_a_frame_is_measured() -> None:
    found = measure(np.full(10, 0.5, np.float32), sample_rate=RATE)
    assert found["speech_s"] == 0.0
    assert found["rms_dbfs"] == pytest.approx(-6.02, abs=0.01)


def test_levels_far_beyond_full_scale_only_shift_what_is_in_db() -> None:
    x = (0.1 * np.random.default_rng(0).standard_normal(RATE) * np.repeat([0.01, 1.0], RATE // 2)).astype(np.float32)
    usual, absurd = (measure(x * np.float32(factor), sample_rate=RATE) for factor in (1.0, 2.0**80))
    assert absurd["rms_dbfs"] == pytest.approx(usual["rms_dbfs"] + 20 * np.log10(2.0**80), abs=1e-3)
    assert all(absurd[key] == pytest.approx(usual[key], rel=1e-4) for key in ("speech_s", "snr_db", "bandwidth_hz"))


def test_keys_are_columns_of_the_utterances_table() -> None:
    found = measure(np.random.default_rng(0).standard_normal(RATE).astype(np.float32), sample_rate=RATE)
    assert set(found) < set(UTTERANCES.names)
    assert all(value is None or type(value) is float for value in found.values())


@pytest.mark.parametrize("num", [2, 37, 512, 706, 1024])
def test_the_window_is_scipys(num: int) -> None:
    np.testing.assert_allclose(_window(num), scipy.signal.get_window("blackmanharris", num), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("num_samples", [37, 400, 16000, 700_000])
def test_bandwidth_is_that_of_welchs_method(num_samples: int) -> None:
    rng = np.random.default_rng(num_samples)
    b, a = scipy.signal.butter(8, rng.uniform(0.2, 0.6))
    x = scipy.signal.lfilter(b, a, rng.standard_normal(num_samples)).astype(np.float32) + np.float32(0.1)
    num = min(1024, num_samples)
    wide = x.astype(np.float64)
    frequencies, power = scipy.signal.welch(wide, RATE, window="blackmanharris", nperseg=num, noverlap=0)
    expected = frequencies[np.flatnonzero(power >= power.max() * 1e-6)[-1]]
    assert measure(x, sample_rate=RATE)["bandwidth_hz"] == pytest.approx(expected, abs=RATE / num)


@pytest.mark.shared_data
def test_telephone_speech_shows_its_bandwidth(shared: Path) -> None:
    for path in sorted((shared / "speech" / "commonvoice" / "clips").glob("*.mp3"))[::60]:
        wide = decode(str(path), sample_rate=RATE, min_duration_s=0.1, channel="mix")
        narrow = soxr.resample(soxr.resample(wide, RATE, 8000), 8000, RATE)
        stored = np.rint(narrow * 32768).astype(np.float32) / 32768
        assert measure(stored, sample_rate=RATE)["bandwidth_hz"] == pytest.approx(4000, rel=0.1)
        wide_hz = measure(wide, sample_rate=RATE)["bandwidth_hz"]
        assert wide_hz is not None
        assert wide_hz > 4500


@pytest.mark.parametrize("source_rate", [8000, 11025, 16000, 44100])
def test_an_upsampled_source_shows_its_bandwidth(tmp_path: Path, source_rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 3 * source_rate).astype(np.float32)
    sf.write(tmp_path / "a.wav", noise, source_rate, subtype="PCM_16")
    samples = decode(str(tmp_path / "a.wav"), sample_rate=RATE, min_duration_s=0.1, channel="mix")
    assert len(samples) == 3 * RATE
    stored = np.rint(samples * 32768).astype(np.float32) / 32768
    expected = min(source_rate, RATE) / 2
    assert measure(stored, sample_rate=RATE)["bandwidth_hz"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "steady",
    [
        np.full(5 * RATE, 0.3),
        *(10 ** (dbfs / 20) * np.random.default_rng(0).normal(size=5 * RATE) for dbfs in (-70, -40)),
    ],
    ids=["offset", "hiss", "noise"],
)
def test_what_is_steady_beside_digital_silence_is_no_speech(steady):
    found = measure(np.concatenate([np.zeros(5 * RATE), steady]).astype(np.float32), sample_rate=RATE)
    assert (found["speech_s"], found["snr_db"]) == (0.0, None)
