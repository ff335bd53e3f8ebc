import pickle

import numpy as np
import pytest
import scipy.signal
import torch

from avis.features.sinc import Sinc

OPTIONS = {
    "dim": 20,
    "sample_rate": 16000,
    "kernel_samples": 251,
    "stride_samples": 10,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
}


def test_filters_are_scipys_at_first_spaced_in_mels():
    sinc = Sinc(**OPTIONS)
    mels = np.linspace(2595 * np.log10(1 + 30 / 700), 2595 * np.log10(1 + 7900 / 700), 21)
    edges = 700 * (10 ** (mels / 2595) - 1)
    for row, start, stop in zip(sinc.filters().detach().numpy(), edges[:-1], edges[1:], strict=True):
        low, high = start + 50, min(stop + 100, 7999.999)
        expected = scipy.signal.firwin(251, [low, high], fs=16000, window="hamming", pass_zero=False, scale=False)
        np.testing.assert_allclose(row, expected / (2 * (high - low) / 16000), atol=2e-4)


def test_frames_are_means_of_squared_outputs(speech_like):
    sinc, waveform = Sinc(**OPTIONS), speech_like(2000)
    outputs = [np.correlate(waveform.numpy(), row, "valid")[::10] ** 2 for row in sinc.filters().detach().numpy()]
    expected = [[np.mean(row[16 * frame : 16 * frame + 40]) for row in outputs] for frame in range(9)]
    with torch.inference_mode():
        np.testing.assert_allclose(sinc(waveform), expected, rtol=1e-3, atol=1e-5)


def test_a_tone_passes_its_band():
    sinc = Sinc(**OPTIONS)
    for band in (3, 10, 18):
        centre = sinc.low_hz[band].item() + 75 + sinc.band_hz[band].item() / 2
        tone = torch.sin(2 * torch.pi * centre * torch.arange(8000) / 16000)
        assert sinc(tone).mean(dim=0).argmax() == band


def test_edges_are_learnt(speech_like):
    sinc = Sinc(**OPTIONS)
    sinc(torch.stack([speech_like(4000, seed) for seed in range(2)])).add(1e-6).log().square().mean().backward()
    assert {name for name, _ in sinc.named_parameters()} == set(sinc.state_dict()) == {"low_hz", "band_hz"}
    for parameter in sinc.parameters():
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize(("num_samples", "frames"), [(0, 0), (640, 0), (641, 1), (800, 1), (801, 2)])
def test_num_frames(num_samples, frames):
    sinc = Sinc(**OPTIONS)
    assert sinc.num_frames(num_samples) == frames
    if frames:
        assert sinc(torch.zeros(num_samples)).shape == (frames, 20)
    else:
        with pytest.raises(ValueError, match=f"num_samples={num_samples}"):
            sinc(torch.zeros(num_samples))


@pytest.mark.parametrize("changes", [{"kernel_samples": 250}, {"stride_samples": 7}, {"frame_shift_ms": 0.01}])
def test_what_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Sinc(**OPTIONS | changes)


def test_pickles(speech_like):
    sinc, waveform = Sinc(**OPTIONS), speech_like(2000)
    assert torch.equal(pickle.loads(pickle.dumps(sinc))(waveform), sinc(waveform))
