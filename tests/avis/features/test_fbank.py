import pickle

import numpy as np
import pytest
import torch
import torchaudio

from avis.features.fbank import Fbank

OPTIONS = {
    "dim": 80,
    "sample_rate": 16000,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "window": "povey",
    "low_hz": 20.0,
    "high_hz": 0.0,
    "mean_norm": False,
}


def build(**changes):
    return Fbank(**(OPTIONS | changes))


def kaldi(waveform, **changes):
    options = OPTIONS | changes
    return torchaudio.compliance.kaldi.fbank(
        waveform.unsqueeze(0) * 32768,
        num_mel_bins=options["dim"],
        sample_frequency=options["sample_rate"],
        frame_length=options["frame_length_ms"],
        frame_shift=options["frame_shift_ms"],
        window_type=options["window"],
        low_freq=options["low_hz"],
        high_freq=options["high_hz"],
        subtract_mean=options["mean_norm"],
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"window": "hamming"},
        {"mean_norm": True},
        {"dim": 40},
        {"dim": 24, "sample_rate": 8000},
        {"dim": 60, "sample_rate": 44100},
        {"frame_length_ms": 32.0, "frame_shift_ms": 16.0},
        {"frame_length_ms": 20.5, "frame_shift_ms": 7.3, "dim": 40},
        {"low_hz": 0.0},
        {"low_hz": 100.0, "high_hz": 7600.0},
        {"high_hz": -400.0},
        {"low_hz": 300.0, "high_hz": 3400.0, "dim": 30, "window": "hamming", "mean_norm": True},
    ],
    ids=str,
)
def test_equals_torchaudio(speech_like, changes):
    waveform = speech_like(20000, sample_rate=changes.get("sample_rate", 16000))
    torch.testing.assert_close(build(**changes)(waveform), kaldi(waveform, **changes), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mean_norm", [False, True])
def test_a_batch_is_its_rows(speech_like, mean_norm):
    batch = torch.stack([speech_like(8000, seed) * scale for seed, scale in enumerate((1.0, 0.1, 0.001))])
    expected = torch.stack([kaldi(row, mean_norm=mean_norm) for row in batch])
    torch.testing.assert_close(build(mean_norm=mean_norm)(batch), expected, atol=1e-4, rtol=0)


def test_equals_torchaudio_on_noise_and_near_silence():
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    for scale in (0.3, 1e-5):
        torch.testing.assert_close(build()(noise * scale), kaldi(noise * scale), atol=1e-4, rtol=0)


def test_a_tone_peaks_in_its_mel():
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16000) / 16000)
    expected = np.argmin(np.abs(edges[1:-1] - 1127 * np.log1p(1000 / 700)))
    assert build()(tone).mean(dim=0).argmax() == expected


def test_silence_is_the_logarithm_of_the_floor():
    features = build()(torch.zeros(1600))
    assert torch.all(features == torch.log(torch.tensor(torch.finfo(torch.float32).eps)))
    assert build(mean_norm=True)(torch.zeros(1600)).abs().max() < 1e-5


@pytest.mark.parametrize(("num_samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_num_frames(num_samples, frames):
    fbank = build()
    assert fbank.num_frames(num_samples) == frames
    if frames:
        assert fbank(torch.zeros(num_samples)).shape == (frames, fbank.dim)


def test_mean_norm_gives_zero_mean_per_utterance(speech_like):
    batch = torch.stack([speech_like(8000, 0), 0.1 * speech_like(8000, 1)])
    assert build(mean_norm=True)(batch).mean(dim=1).abs().max() < 1e-5


def test_leaves_its_input_alone_and_the_checkpoint_empty(speech_like):
    waveform = speech_like(4000)
    before = waveform.clone()
    fbank = build()
    fbank(waveform)
    assert torch.equal(waveform, before)
    assert not fbank.state_dict()
    assert len(list(fbank.buffers())) == 2


def test_autocast_does_not_change_it(speech_like):
    fbank, waveform = build(), speech_like(8000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = fbank(waveform)
    assert torch.equal(inside, fbank(waveform))


def test_gradients_reach_the_waveform(speech_like):
    waveform = speech_like(4000).requires_grad_()
    build()(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad.abs().sum() > 0


def test_pickles(speech_like):
    fbank, waveform = build(), speech_like(4000)
    assert torch.equal(pickle.loads(pickle.dumps(fbank))(waveform), fbank(waveform))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": "hann"}, "window='hann'"),
        ({"low_hz": 8000.0}, "low_hz=8000.0"),
        ({"high_hz": 9000.0}, "9000.0"),
        ({"dim": 300}, "dim=300"),
        ({"frame_shift_ms": 0.01}, "frame_shift_ms=0.01"),
    ],
)
def test_impossible_options(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_too_short_and_not_float():
    with pytest.raises(ValueError, match="num_samples=399"):
        build()(torch.zeros(2, 399))
    with pytest.raises(ValueError, match=r"torch\.int16"):
        build()(torch.zeros(400, dtype=torch.int16))
