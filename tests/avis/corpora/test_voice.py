import numpy as np
import pytest

from avis.corpora.voice import (
    BANDWIDTHS_HZ,
    HOP,
    SAMPLE_RATE,
    _overlap_add,
    _spectra,
    draw_channel,
    draw_voice,
    synthesise,
)


def utter(seed: int, *, num_samples: int = 48_000, speech: int = 0) -> np.ndarray:
    voice = draw_voice(np.random.default_rng([seed, 0]))
    channel = draw_channel(np.random.default_rng([seed, 1]))
    return synthesise(voice, channel, num_samples=num_samples, rng=np.random.default_rng([seed, 2, speech]))


def test_overlap_add_undoes_the_analysis() -> None:
    x = np.random.default_rng(0).standard_normal(40 * HOP).astype(np.float32)
    inner = slice(HOP, 39 * HOP)
    np.testing.assert_allclose(_overlap_add(_spectra(x))[inner], x[inner], atol=1e-5)


@pytest.mark.parametrize("num_samples", [8000, 12_345, 48_000])
def test_the_same_draws_give_the_same_samples(num_samples: int) -> None:
    x = utter(3, num_samples=num_samples)
    assert x.shape == (num_samples,)
    assert x.dtype == np.float32
    assert np.abs(x).max() <= 1.0
    assert np.isfinite(x).all()
    assert x.tobytes() == utter(3, num_samples=num_samples).tobytes()
    assert np.abs(x - utter(3, num_samples=num_samples, speech=1)).max() > 0.01


def test_level_is_that_of_the_session() -> None:
    for seed in range(5):
        channel = draw_channel(np.random.default_rng([seed, 1]))
        rms_dbfs = 20 * np.log10(np.sqrt(np.mean(utter(seed) ** 2)))
        # Speech and noise add, and a few peaks are clipped.
        assert rms_dbfs == pytest.approx(channel.level_dbfs, abs=0.5)


def test_the_pitch_of_a_voice_is_heard() -> None:
    """Autocorrelation of the voiced frames peaks at the period of F0."""
    for seed in range(8):
        voice = draw_voice(np.random.default_rng([seed, 0]))
        channel = draw_channel(np.random.default_rng([seed, 1]))
        frames = np.lib.stride_tricks.sliding_window_view(utter(seed), 800)[::160].astype(np.float64)
        power = (frames**2).mean(axis=1)
        frames = frames[power > np.median(power)]
        lags = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, : SAMPLE_RATE // 60]
        strength = (lags / lags[:, :1]).mean(axis=0)
        expected = SAMPLE_RATE / (voice.f0_hz * channel.f0_scale)
        near = slice(round(expected * 0.7), round(expected * 1.4))
        period = near.start + np.argmax(strength[near])
        assert SAMPLE_RATE / period == pytest.approx(SAMPLE_RATE / expected, rel=0.25)


def test_formants_of_short_vocal_tracts_lie_higher() -> None:
    voices = [draw_voice(np.random.default_rng([seed, 0])) for seed in range(300)]
    f0 = np.array([v.f0_hz for v in voices])
    formants = np.array([v.formants_hz.mean() for v in voices])
    assert np.corrcoef(np.log(f0), np.log(formants))[0, 1] > 0.5
    assert voices[0].formants_hz.shape == (10, len(BANDWIDTHS_HZ))


def test_sessions_differ_by_a_few_db() -> None:
    gains_db = np.stack([20 * np.log10(draw_channel(np.random.default_rng(seed)).gains) for seed in range(200)])
    # 300 to 4000 Hz, whatever the level
    speech_db = gains_db[:, 10:129] - gains_db[:, 10:129].mean(axis=1, keepdims=True)
    assert 0.5 < speech_db.std() < 3.0
    assert gains_db[:, 1].mean() < -10.0
