"""Each preset gives the features of the toolkit it is named after, stated anew with the toolkit's own parameters."""

import copy
import math
from pathlib import Path

import pytest
import torch
import torchaudio
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

CONFIGS = Path(__file__).parents[3] / "configs"
NUM_SAMPLES = 24077
FILES = sorted((CONFIGS / "features").glob("*.yaml"))
PRESETS = [path.stem for path in FILES if "self_supervised" not in path.read_text()]


def built(name):
    config = OmegaConf.merge({"sharding": {"sample_rate": 16000}}, compose(f"features/{name}"))
    return instantiate(OmegaConf.to_container(config, resolve=True)["features"]["front_end"])


@pytest.fixture(scope="module")
def preset():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return {name: built(name) for name in PRESETS}


def wespeaker(waveform):
    """wespeaker/dataset/processor.py, compute_fbank with dither 0, then its mean normalisation."""
    scaled = (waveform * (1 << 15)).unsqueeze(0)
    fbank = torchaudio.compliance.kaldi.fbank(
        scaled,
        num_mel_bins=80,
        frame_length=25,
        frame_shift=10,
        sample_frequency=16000,
        window_type="hamming",
        use_energy=False,
    )
    return fbank - fbank.mean(dim=0)


def three_d_speaker(waveform):
    """speakerlab/process/processor.py, FBank(80, 16000, mean_nor=True)."""
    fbank = torchaudio.compliance.kaldi.fbank(waveform.unsqueeze(0), num_mel_bins=80, sample_frequency=16000, dither=0)
    return fbank - fbank.mean(0, keepdim=True)


def speechbrain(waveform):
    """speechbrain/processing/features.py: STFT, spectral_magnitude, Filterbank in lobes.features.Fbank(n_mels=80)."""
    transform = torchaudio.transforms.Spectrogram(400, 400, 160, window_fn=torch.hamming_window, pad_mode="constant")
    mel = torch.linspace(0, 2595 * torch.tensor(1 + 8000 / 700).log10().item(), 82)
    hz = 700 * (10 ** (mel / 2595) - 1)
    slope = (torch.linspace(0, 8000, 201) - hz[1:-1, None]) / (hz[1:] - hz[:-1])[:-1, None]
    filters = torch.maximum(torch.zeros(1), torch.minimum(slope + 1, 1 - slope))
    decibels = torchaudio.functional.amplitude_to_DB(filters @ transform(waveform[None]), 10, 1e-10, 0, top_db=80)
    return (decibels - decibels.mean(dim=-1, keepdim=True))[0].T


def nemo(waveform):
    """nemo/collections/asr/parts/preprocessing/features.py with the preprocessor of titanet-large.yaml, dither 0."""
    emphasised = torch.cat((waveform[:1], waveform[1:] - 0.97 * waveform[:-1]))
    mels = torchaudio.transforms.MelSpectrogram(
        16000,
        n_fft=512,
        win_length=400,
        hop_length=160,
        n_mels=80,
        window_fn=torch.hann_window,
        wkwargs={"periodic": False},
        pad_mode="constant",
        norm="slaney",
        mel_scale="slaney",
    )(emphasised)
    log = torch.log(mels + 2**-24)[:, : len(waveform) // 160]
    return ((log - log.mean(1, keepdim=True)) / (log.std(1, keepdim=True) + 1e-5)).T


def voxceleb_trainer(waveform, num_mels):
    """models/ResNetSE34L.py (40) and ResNetSE34V2.py (64); utils.py, PreEmphasis."""
    padded = torch.nn.functional.pad(waveform[None, None], (1, 0), "reflect")
    emphasised = torch.nn.functional.conv1d(padded, torch.tensor([[[-0.97, 1.0]]]))[0]
    mels = torchaudio.transforms.MelSpectrogram(
        16000, n_fft=512, win_length=400, hop_length=160, window_fn=torch.hamming_window, n_mels=num_mels
    )
    return torch.nn.InstanceNorm1d(num_mels)((mels(emphasised) + 1e-6).log())[0].T


def redimnet(waveform):
    """redimnet/layers/features.py, MelBanks(n_mels=72) with its other defaults."""
    padded = torch.nn.functional.pad(waveform[None, None], (1, 0), "reflect")
    emphasised = torch.nn.functional.conv1d(padded, torch.tensor([[[-0.97, 1.0]]]))[0]
    sizes = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 72, "f_min": 20, "f_max": 7600}
    mels = torchaudio.transforms.MelSpectrogram(16000, window_fn=torch.hamming_window, **sizes)(emphasised)
    log = (mels + 1e-6).log()[0].T
    return log - log.mean(0)


def redimnet2(waveform):
    """wespeaker/frontend/tfmel.py, TFMelBanks: 256 bins of a discrete Fourier transform of 400 samples each."""
    scaled = (waveform - waveform.mean()) / (waveform.std(correction=0) + 1e-8)
    emphasised = torch.cat((scaled[:1] - 0.97 * scaled[1:2], scaled[1:] - 0.97 * scaled[:-1]))
    frames = torch.nn.functional.pad(emphasised, (80, 80)).unfold(0, 400, 160)
    window = torch.hamming_window(400, periodic=False)
    power = torch.fft.rfft(frames * window, 512).abs().square()[:, :256]
    hz = torch.linspace(0, 8000, 256)[1:, None]
    mel = 2595 * torch.log10(1 + hz / 700)
    edges = torch.linspace(*(2595 * math.log10(1 + f / 700) for f in (20, 7600)), 74)
    lower = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    upper = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    filters = torch.cat((torch.zeros(1, 72), torch.minimum(lower, upper).clamp(min=0)))
    log = ((power.clip(1e-8, 1e8) @ filters).clip(1e-8, 1e8) + 1e-8).log()
    return log - log.mean(0)


def spectrogram(waveform):
    transform = torchaudio.transforms.Spectrogram(512, 400, 160, window_fn=torch.hamming_window)
    log = torch.log(transform(waveform) + 1e-6).T
    return (log - log.mean(0)) / (log.std(0) + 1e-5)


def kaldi_x_vector(waveform):
    """egs/voxceleb/v2/conf/mfcc.conf with Kaldi's own defaults, and local/nnet3/xvector/prepare_feats_for_egs.sh."""
    cepstra = torchaudio.compliance.kaldi.mfcc(
        waveform.unsqueeze(0) * 32768,
        sample_frequency=16000,
        frame_length=25,
        low_freq=20,
        high_freq=7600,
        num_mel_bins=30,
        num_ceps=30,
        snip_edges=False,
        use_energy=True,
    )
    return torchaudio.functional.sliding_window_cmn(cepstra, cmn_window=300, center=True)


def deltas(waveform):
    cepstra = torchaudio.compliance.kaldi.mfcc(
        waveform.unsqueeze(0) * 32768, num_ceps=20, num_mel_bins=24, high_freq=7600, sample_frequency=16000
    ).T
    slopes = torchaudio.functional.compute_deltas(cepstra, 5)
    features = torch.cat((cepstra, slopes, torchaudio.functional.compute_deltas(slopes, 5))).T
    return (features - features.mean(0)) / features.std(0)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("name", "restated"),
    [
        ("wespeaker_fbank_80", wespeaker),
        ("3d_speaker_fbank_80", three_d_speaker),
        ("speechbrain_fbank_80", speechbrain),
        ("nemo_mel_80", nemo),
        ("voxceleb_trainer_mel_40", lambda waveform: voxceleb_trainer(waveform, 40)),
        ("voxceleb_trainer_mel_64", lambda waveform: voxceleb_trainer(waveform, 64)),
        ("idrnd_mel_72", redimnet),
        ("redimnet2_mel_72", redimnet2),
        ("voxceleb_spectrogram", spectrogram),
        ("mfcc_30", kaldi_x_vector),
        ("mfcc_20_deltas", deltas),
        ("raw", lambda waveform: waveform[:, None]),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.03])
def test_equals_the_toolkit(preset, speech_like, name, restated, scale):
    waveform = speech_like(NUM_SAMPLES) * scale
    tolerance = {"mfcc_30": 3e-4, "mfcc_20_deltas": 3e-4}.get(name, 1e-4)  # up to a thousand in float32
    torch.testing.assert_close(preset[name](waveform), restated(waveform), atol=tolerance, rtol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_a_batch_is_its_rows_and_autocast_changes_nothing(preset, speech_like, name):
    front_end = preset[name]
    batch = torch.stack([speech_like(NUM_SAMPLES, seed) * 10.0**-seed for seed in range(3)])
    together = front_end(batch).detach()
    assert together.dtype == torch.float32
    assert together.shape == (3, front_end.num_frames(NUM_SAMPLES), front_end.dim)
    assert torch.isfinite(together).all()
    for row, waveform in zip(together, batch, strict=True):
        torch.testing.assert_close(row, front_end(waveform).detach(), atol=1e-4, rtol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(front_end(batch), together)


@pytest.mark.few(60)
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("num_samples", [1, 159, 256, 257, 399, 400, 401, 559, 560, 800])
def test_num_frames_of_short_waveforms(preset, name, num_samples):
    front_end, waveform = preset[name], torch.zeros(num_samples)
    num_frames = front_end.num_frames(num_samples)
    if num_frames == 0:
        with pytest.raises(ValueError, match=f"num_samples={num_samples}"):
            front_end(waveform)
    else:
        features = front_end(waveform)
        assert features.shape == (num_frames, front_end.dim)
        assert torch.isfinite(features).all()


@pytest.mark.gpu
@pytest.mark.parametrize("name", PRESETS)
def test_a_gpu_gives_the_same(preset, speech_like, name):
    batch = torch.stack([speech_like(NUM_SAMPLES, seed) for seed in range(3)])
    expected = preset[name](batch).detach()
    made = copy.deepcopy(preset[name]).cuda()(batch.cuda()).detach().cpu()
    torch.testing.assert_close(made, expected, atol=1e-3, rtol=1e-4)
