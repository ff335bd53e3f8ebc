import numpy as np
import pytest
from scipy.signal import correlate

from avis.augment.pitch_shift import PitchShift
from avis.augment.stretching import change_tempo
from avis.augment.tempo import Tempo

RATE = 16000
RATED = {"probability": 1.0, "sample_rate": RATE}


def vowel(pitch_hz, seconds=2.0, rate=RATE):
    """Harmonics to 3 kHz that fall by 6 dB per octave."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.1 * sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 20))).astype(np.float32)


def pitch_hz(waveform, rate=RATE):
    """The first harmonic: the strongest line of the spectrum, between bins by a parabola."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) + 1e-9)
    top = int(np.argmax(spectrum))
    left, middle, right = spectrum[top - 1 : top + 2]
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / len(waveform)


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.5, 2.0])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_tempo_keeps_the_pitch_and_the_level(factor, rate):
    waveform = vowel(140.0, rate=rate)
    result = change_tempo(waveform, factor, sample_rate=rate)
    assert result.dtype == np.float32
    assert len(result) == round(len(waveform) / factor)
    assert pitch_hz(result, rate) == pytest.approx(140.0, rel=0.005)
    assert np.std(result) == pytest.approx(np.std(waveform), rel=0.05)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_tempo_moves_what_happens(factor):
    """Bursts at known times end up at these times divided by the factor, within a frame."""
    waveform = np.zeros(3 * RATE, np.float32)
    for second in (0.5, 1.5, 2.5):
        waveform[int(second * RATE) :][:400] = np.random.default_rng(0).standard_normal(400)
    energy = change_tempo(waveform, factor, sample_rate=RATE) ** 2
    for second in (0.5, 1.5, 2.5):
        near = slice(int(second / factor * RATE) - RATE // 5, int(second / factor * RATE) + RATE // 5)
        centre = np.average(np.arange(len(energy))[near], weights=energy[near]) / RATE
        assert centre == pytest.approx((second + 200 / RATE) / factor, abs=0.02)


def test_tempo_does_not_ripple():
    """A steady tone stays one: frames that did not fit would beat."""
    t = np.arange(2 * RATE) / RATE
    result = change_tempo(np.sin(2 * np.pi * 200 * t).astype(np.float32), 1.2, sample_rate=RATE)
    middle = result[RATE // 4 : -RATE // 4]
    peaks = np.abs(middle[: len(middle) // 400 * 400].reshape(-1, 400)).max(axis=1)
    assert peaks.min() > 0.97
    assert peaks.max() < 1.03


@pytest.mark.parametrize("num_samples", [1, 2, 50, 399])
@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_tempo_of_next_to_nothing(num_samples, factor):
    result = change_tempo(np.ones(num_samples, np.float32), factor, sample_rate=RATE)
    assert len(result) == max(1, round(num_samples / factor))
    assert np.isfinite(result).all()


def test_the_transform_keeps_the_length():
    waveform = vowel(140.0)
    slow = Tempo(**RATED, min_factor=0.8, max_factor=0.8)(waveform, np.random.default_rng(0))
    fast = Tempo(**RATED, min_factor=1.25, max_factor=1.25)(waveform, np.random.default_rng(0))
    assert np.array_equal(slow, change_tempo(waveform, 0.8, sample_rate=RATE)[: len(waveform)])
    assert np.array_equal(fast[:25600], change_tempo(waveform, 1.25, sample_rate=RATE))
    assert np.array_equal(fast[25600:], fast[:6400])


@pytest.mark.parametrize("semitones", [-4.0, -1.0, 0.5, 3.0, 12.0])
def test_pitch_moves_by_the_interval_and_the_duration_stays(semitones):
    shift = PitchShift(**RATED, min_semitones=semitones, max_semitones=semitones)
    result = shift(vowel(140.0), np.random.default_rng(0))
    assert len(result) == 2 * RATE
    assert pitch_hz(result) == pytest.approx(140.0 * 2 ** (semitones / 12), rel=0.005)
    assert np.std(result[-RATE // 2 : -800]) == pytest.approx(np.std(result[: RATE // 2]), rel=0.1)


@pytest.mark.parametrize("semitones", [-2.0, 2.0])
def test_pitch_leaves_things_where_they_are(semitones):
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.random(40), RATE // 20)
    waveform = (envelope * vowel(140.0)).astype(np.float32)
    result = PitchShift(**RATED, min_semitones=semitones, max_semitones=semitones)(waveform, rng)
    loudness = [np.convolve(each**2, np.ones(400) / 400, "same") for each in (waveform, result)]
    lag = np.argmax(correlate(*(each - each.mean() for each in loudness[::-1]))) - len(waveform) + 1
    assert abs(lag) < 0.01 * RATE


@pytest.mark.parametrize("wrong", [{"min_semitones": -13.0}, {"max_semitones": 13.0}, {"min_semitones": 3.0}])
def test_intervals_that_are_refused(wrong):
    with pytest.raises(ValueError, match="semitones="):
        PitchShift(**(RATED | {"min_semitones": -2.0, "max_semitones": 2.0} | wrong))
