import io

import av
import numpy as np
import pytest
import soundfile as sf
import soxr
from scipy.signal import butter, correlate, sosfiltfilt

from avis.audio import transcode as module
from avis.audio.transcode import CODERS, available_codecs, check_codec, transcode

RATE = 16000
SETTINGS = [
    ("mu_law", 8000, 64000),
    ("a_law", 8000, 64000),
    ("gsm", 8000, 13200),
    ("g722", 16000, 64000),
    ("amr_nb", 8000, 4750),
    ("amr_nb", 8000, 12200),
    ("amr_wb", 16000, 12650),
    ("opus", 8000, 6000),
    ("opus", 16000, 16000),
    ("opus", 48000, 32000),
    ("mp3", 16000, 16000),
    ("mp3", 44100, 64000),
    ("aac", 16000, 32000),
    ("aac", 44100, 64000),
]
CONTAINERS = {"g722": "g722", "amr_nb": "amr", "opus": "ogg", "mp3": "mp3", "aac": "adts"}


def voice(num_samples, rate=RATE):
    """Pulses at a falling pitch of 140 to 100 Hz through two resonances, in syllables of 0.2 s, without low rumble."""
    t = np.arange(num_samples) / rate
    phase = np.cumsum(140 - 20 * t) / rate
    pulses = np.diff(np.floor(phase), prepend=0) + 0.05 * np.random.default_rng(0).standard_normal(num_samples)
    shaped = sum(sosfiltfilt(butter(1, [f - 60, f + 60], "band", fs=rate, output="sos"), pulses) for f in (600, 1700))
    return (0.5 * shaped / np.abs(shaped).max() * (1 + np.sin(2 * np.pi * 2.5 * t)) / 2).astype(np.float32)


def there(codec):
    if codec not in available_codecs():
        pytest.skip(f"this build of PyAV has no encoder for {codec}")
    return codec


def test_what_the_wheels_of_pyav_have():
    assert {"mu_law", "a_law", "gsm", "g722", "opus", "mp3", "aac"} <= set(available_codecs()) <= set(CODERS)


@pytest.mark.few(10)
@pytest.mark.parametrize(("codec", "coded_rate", "bit_rate"), SETTINGS)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_length_and_alignment(codec, coded_rate, bit_rate, rate):
    there(codec)
    waveform = voice(2 * rate + 17, rate)
    result = transcode(waveform, codec=codec, sample_rate=rate, coded_rate=coded_rate, bit_rate=bit_rate)
    assert result.dtype == np.float32
    assert result.shape == waveform.shape
    lag = int(np.argmax(correlate(result, waveform, method="fft"))) - len(waveform) + 1
    assert abs(lag) <= 1
    # both ends are there
    for part in (slice(0, rate // 2), slice(-rate // 2, None)):
        assert np.corrcoef(result[part], waveform[part])[0, 1] > 0.5
        assert np.mean(result[part] ** 2) == pytest.approx(np.mean(waveform[part] ** 2), rel=0.7)


@pytest.mark.parametrize(("codec", "coded_rate", "bit_rate"), SETTINGS)
def test_something_is_lost_beyond_the_band(codec, coded_rate, bit_rate):
    there(codec)
    waveform = voice(RATE)
    result = transcode(waveform, codec=codec, sample_rate=RATE, coded_rate=coded_rate, bit_rate=bit_rate)
    resampled = soxr.resample(soxr.resample(waveform, RATE, coded_rate), coded_rate, RATE)
    error_db = 10 * np.log10(np.mean((result - resampled) ** 2) / np.mean(resampled**2))
    assert -50 < error_db < 3


@pytest.mark.parametrize(("codec", "subtype"), [("mu_law", "ULAW"), ("a_law", "ALAW")])
def test_g711_is_as_libsndfile_has_it(codec, subtype):
    waveform = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    stream = io.BytesIO()
    sf.write(stream, waveform, 8000, format="WAV", subtype=subtype)
    stream.seek(0)
    expected = sf.read(stream, dtype="float32")[0]
    result = transcode(waveform, codec=codec, sample_rate=8000, coded_rate=8000, bit_rate=64000)
    # the two decide differently at the bounds between two steps of G.711
    assert np.mean(result == expected) > 0.96
    assert len(np.unique(result)) <= 256
    assert np.abs(result - expected).max() <= 1024 / 32768


@pytest.mark.parametrize("codec", CONTAINERS)
def test_as_written_to_a_file_and_read(codec):
    there(codec)
    rate = CODERS[codec].rates[0] if codec == "amr_nb" else RATE
    bit_rate = {"amr_nb": 7950, "g722": 64000}.get(codec, 32000)
    waveform = np.rint(32768 * voice(2 * rate, rate)) / np.float32(32768)
    result = transcode(waveform, codec=codec, sample_rate=rate, coded_rate=rate, bit_rate=bit_rate)
    decoded, decoded_rate = through_a_file(waveform, codec, rate, bit_rate)
    expected = soxr.resample(decoded, decoded_rate, rate)
    lag = int(np.argmax(correlate(expected, waveform, method="fft"))) - len(waveform) + 1
    middle = slice(rate // 4, 7 * rate // 4)
    shifted = [np.roll(expected, -lag + shift)[: len(waveform)][middle] for shift in (-1, 0, 1)]
    assert max(np.corrcoef(result[middle], each)[0, 1] for each in shifted) > 0.999


def through_a_file(waveform, codec, rate, bit_rate):
    values = (waveform * 32768).astype(np.int16)[None]
    stream = io.BytesIO()
    with av.open(stream, "w", format=CONTAINERS[codec]) as file:
        track = file.add_stream(CODERS[codec].encoder, rate=rate, layout="mono")
        track.bit_rate = bit_rate
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
        frame.sample_rate = rate
        track.codec_context.open()
        resampler = av.AudioResampler(track.format.name, "mono", rate)
        for each in resampler.resample(frame):
            fifo.write(each)
        while block := fifo.read(track.codec_context.frame_size or 320, partial=True):
            file.mux(track.encode(block))
        file.mux(track.encode(None))
    stream.seek(0)
    with av.open(stream, format=CONTAINERS[codec]) as file:
        to_float = av.AudioResampler("flt", "mono")
        frames = [each for frame in file.decode(audio=0) for each in to_float.resample(frame)]
        return np.concatenate([each.to_ndarray().ravel() for each in frames]), frames[0].sample_rate


@pytest.mark.parametrize("codec", ["mu_law", "gsm", "amr_nb", "opus", "mp3", "aac"])
@pytest.mark.parametrize("waveform", [np.zeros(RATE), np.zeros(1), np.ones(1), np.ones(400), 1e4 * np.ones(RATE)])
def test_odd_input_comes_out_finite(codec, waveform):
    there(codec)
    rate = min(CODERS[codec].rates[0], 8000)
    bit_rate = max(CODERS[codec].min_bit_rate, min(16000, CODERS[codec].max_bit_rate))
    result = transcode(waveform.astype(np.float32), codec=codec, sample_rate=RATE, coded_rate=rate, bit_rate=bit_rate)
    assert result.shape == waveform.shape
    assert np.isfinite(result).all()
    assert np.abs(result).max() < 4


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"got codec='atrac', expected one of mu_law, a_law, gsm, .*opus"):
        check_codec("atrac", coded_rate=8000, bit_rates=[8000])
    with pytest.raises(ValueError, match="coded_rate=44100 Hz for opus"):
        check_codec("opus", coded_rate=44100, bit_rates=[16000])
    for wrong in ([], [1000]):
        with pytest.raises(ValueError, match="at least one and all from 6000"):
            check_codec("opus", coded_rate=16000, bit_rates=wrong)
    monkeypatch.setitem(CODERS, "amr_wb", module.Coder(**(vars(CODERS["amr_wb"]) | {"encoder": "no_such_encoder"})))
    with pytest.raises(ValueError, match="got codec='amr_wb'"):
        check_codec("amr_wb", coded_rate=16000, bit_rates=[12650])
