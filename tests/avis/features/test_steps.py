"""Steps of chains against references of their own, and what they refuse."""

import pickle

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from avis.features.chain import Chain
from avis.features.deltas import Deltas
from avis.features.edges import MirroredEdges
from avis.features.emphasis import Gain, PreEmphasis
from avis.features.fbank import Fbank
from avis.features.log import Decibels, Log
from avis.features.mel import MelFilters
from avis.features.normalise import InstanceNorm, MeanNorm, MeanVarNorm, SlidingNorm
from avis.features.raw import Raw
from avis.features.spectrogram import PowerSpectrogram

SPECTROGRAM = {
    "sample_rate": 16000,
    "fft_samples": 512,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "window": "hann",
    "periodic": True,
    "pad_mode": "reflect",
    "last_frame": True,
}
MELS = {"num_mels": 40, "sample_rate": 16000, "fft_samples": 512, "low_hz": 60.0, "high_hz": 7000.0, "shape": "htk"}


def random_features(num_frames, batch=2, dim=5):
    return 3.0 + 2.0 * torch.randn(batch, num_frames, dim, generator=torch.Generator().manual_seed(num_frames))


@pytest.mark.parametrize("num_frames", [1, 2, 40, 99, 100, 299, 300, 301, 450])
@pytest.mark.parametrize("center", [False, True])
def test_sliding_norm_equals_torchaudio(num_frames, center):
    features = random_features(num_frames)
    expected = torchaudio.functional.sliding_window_cmn(features, 300, 100, center=center)
    sliding = SlidingNorm(window_frames=300, min_window_frames=100, center=center)
    torch.testing.assert_close(sliding(features), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("context_frames", [1, 2, 4])
def test_deltas_equal_torchaudio(context_frames):
    features = random_features(50)
    slopes = torchaudio.functional.compute_deltas(features.mT, 2 * context_frames + 1).mT
    second = torchaudio.functional.compute_deltas(slopes.mT, 2 * context_frames + 1).mT
    expected = torch.cat((features, slopes, second), dim=-1)
    torch.testing.assert_close(Deltas(order=2, context_frames=context_frames)(features), expected, atol=1e-5, rtol=0)


def test_norms_of_an_utterance():
    features = random_features(80)
    np.testing.assert_allclose(MeanNorm()(features).mean(1), 0, atol=1e-5)
    expected = (features - features.mean(1, keepdim=True)) / features.std(1, keepdim=True)
    torch.testing.assert_close(MeanVarNorm(offset=0.0)(features), expected, atol=1e-5, rtol=0)
    expected = torch.nn.InstanceNorm1d(5, eps=0.1)(features.mT).mT
    torch.testing.assert_close(InstanceNorm(offset=0.1)(features), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", [MeanNorm(), MeanVarNorm(offset=1e-5), InstanceNorm(offset=1e-5)], ids=repr)
@pytest.mark.parametrize("num_frames", [1, 30])
def test_what_does_not_change_becomes_zero(norm, num_frames):
    assert norm(torch.full((num_frames, 4), 7.0)).abs().max() == 0


@pytest.mark.parametrize("num_samples", [400, 401, 479, 480, 481, 16000])
def test_mirrored_edges_are_those_of_kaldi(speech_like, num_samples):
    waveform = speech_like(num_samples)
    sizes = {"sample_rate": 16000, "frame_length_ms": 25.0, "frame_shift_ms": 10.0}
    fbank = Fbank(dim=40, window="povey", low_hz=20.0, high_hz=0.0, mean_norm=False, **sizes)
    chain = Chain(dim=40, steps=[MirroredEdges(**sizes), fbank])
    expected = torchaudio.compliance.kaldi.fbank(
        waveform[None] * 32768, num_mel_bins=40, snip_edges=False, sample_frequency=16000
    )
    assert chain.num_frames(num_samples) == len(expected)
    torch.testing.assert_close(chain(waveform), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("edge", ["constant", "reflect"])
def test_pre_emphasis_is_a_filter(edge):
    waveform = torch.randn(100, generator=torch.Generator().manual_seed(0))
    emphasised = PreEmphasis(coefficient=0.9, edge=edge)(waveform)
    expected = scipy.signal.lfilter([1, -0.9], [1], waveform.numpy())
    np.testing.assert_allclose(emphasised[1:], expected[1:], atol=1e-6)
    first = waveform[0] - (0.9 * waveform[1] if edge == "reflect" else 0)
    assert emphasised[0] == pytest.approx(first.item())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"window": "hamming", "fft_samples": 400},
        {"pad_mode": "constant"},
        {"frame_length_ms": 20.0, "frame_shift_ms": 12.5},
    ],
    ids=str,
)
def test_spectrogram_is_that_of_scipy(speech_like, changes):
    options = SPECTROGRAM | changes
    waveform = speech_like(8000)
    frame, shift = int(16 * options["frame_length_ms"]), int(16 * options["frame_shift_ms"])
    half, rest = options["fft_samples"] // 2, options["fft_samples"] - frame
    window = np.pad(scipy.signal.get_window(options["window"], frame), (rest // 2, rest - rest // 2))
    padded = np.pad(waveform.numpy().astype(np.float64), half, mode=options["pad_mode"])
    frames = np.lib.stride_tricks.sliding_window_view(padded, options["fft_samples"])[::shift]
    expected = np.abs(np.fft.rfft(frames * window)) ** 2
    power = PowerSpectrogram(**options)(waveform)
    np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-6)


def test_slaney_filters_are_those_of_the_auditory_toolbox():
    """Slaney, "Auditory Toolbox" 1998: linear below 1 kHz (200/3 Hz per mel), then 27 mels per factor of 6.4."""
    edges = np.linspace(60 * 3 / 200, 15 + 27 * np.log(7) / np.log(6.4), 42)
    hz = np.where(edges < 15, edges * 200 / 3, 1000 * 6.4 ** ((edges - 15) / 27))
    bins = np.arange(257) * 16000 / 512
    triangles = [np.interp(bins, hz[i : i + 3], [0, 2 / (hz[i + 2] - hz[i]), 0], 0, 0) for i in range(40)]
    np.testing.assert_allclose(MelFilters(**MELS | {"shape": "slaney"}).filters.T, triangles, atol=1e-6)


@pytest.mark.parametrize("shape", ["htk", "speechbrain"])
def test_filters_of_height_one(shape):
    edges = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 10), 42)
    hz = 700 * (10 ** (edges / 2595) - 1)
    above = hz[2:] if shape == "htk" else 2 * hz[1:-1] - hz[:-2]
    bins = np.arange(257) * 16000 / 512
    triangles = [np.interp(bins, [hz[i], hz[i + 1], above[i]], [0, 1, 0], 0, 0) for i in range(40)]
    np.testing.assert_allclose(MelFilters(**MELS | {"shape": shape}).filters.T, triangles, atol=2e-5)


def test_logarithms():
    energies = torch.tensor([[1.0, 0.0], [1e-3, 1e-12]])
    torch.testing.assert_close(Log(offset=1e-6)(energies), torch.log(energies + 1e-6))
    expected = torch.tensor([[0.0, -40.0], [-30.0, -40.0]])
    torch.testing.assert_close(Decibels(min_energy=1e-10, range_db=40.0)(energies), expected)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Chain(dim=1, steps=[MeanNorm()]), "got 0 of .*MeanNorm"),
        (lambda: Chain(dim=1, steps=[Raw(), Raw()]), "got 2 of"),
        (lambda: Chain(dim=2, steps=[Raw()])(torch.zeros(5)), "dim=2, expected 1"),
        (lambda: PreEmphasis(coefficient=0.9, edge="same"), "edge='same'"),
        (lambda: MelFilters(**MELS | {"shape": "mel"}), "shape='mel'"),
        (lambda: MelFilters(**MELS | {"high_hz": 9000.0}), "high_hz=9000.0"),
        (lambda: PowerSpectrogram(**SPECTROGRAM | {"window": "povey"}), "window='povey'"),
        (lambda: PowerSpectrogram(**SPECTROGRAM | {"pad_mode": "same"}), "pad_mode='same'"),
        (lambda: PowerSpectrogram(**SPECTROGRAM | {"fft_samples": 256}), "fft_samples=256"),
        (lambda: PowerSpectrogram(**SPECTROGRAM)(torch.zeros(256)), "num_samples=256"),
        (lambda: Raw()(torch.zeros(5, dtype=torch.float64)), "float64"),
    ],
)
def test_what_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_chain_pickles_and_leaves_the_checkpoint_empty(speech_like):
    steps = [Gain(factor=0.5), PowerSpectrogram(**SPECTROGRAM), MelFilters(**MELS), Log(offset=1e-6)]
    chain, waveform = Chain(dim=40, steps=steps), speech_like(4000)
    assert not chain.state_dict()
    assert torch.equal(pickle.loads(pickle.dumps(chain))(waveform), chain(waveform))
