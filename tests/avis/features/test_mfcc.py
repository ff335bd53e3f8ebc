import pickle

import pytest
import torch
import torchaudio

from avis.features.fbank import Fbank
from avis.features.mfcc import Mfcc

FBANK = {
    "dim": 30,
    "sample_rate": 16000,
    "frame_length_ms": 25.0,
    "frame_shift_ms": 10.0,
    "window": "povey",
    "low_hz": 20.0,
    "high_hz": 7600.0,
    "mean_norm": False,
}


def build(own=None, fbank=None):
    options = {"dim": 30, "lifter": 22.0, "use_energy": False} | (own or {})
    return Mfcc(**options, fbank=Fbank(**(FBANK | (fbank or {}))))


@pytest.mark.parametrize(
    ("own", "changes"),
    [
        ({}, {}),
        ({"dim": 13}, {}),
        ({"dim": 1}, {}),
        ({"use_energy": True}, {}),
        ({"use_energy": True}, {"mean_norm": True}),
        ({"lifter": 0.0}, {"window": "hamming"}),
        ({"lifter": 30.0, "dim": 20}, {"dim": 40, "low_hz": 40.0, "high_hz": -400.0}),
        ({"dim": 23}, {"dim": 23, "sample_rate": 8000, "high_hz": 3700.0, "mean_norm": True}),
    ],
    ids=str,
)
def test_equals_torchaudio(speech_like, own, changes):
    waveform, options = speech_like(20000), FBANK | changes
    expected = torchaudio.compliance.kaldi.mfcc(
        waveform.unsqueeze(0) * 32768,
        num_ceps=own.get("dim", 30),
        cepstral_lifter=own.get("lifter", 22.0),
        use_energy=own.get("use_energy", False),
        num_mel_bins=options["dim"],
        sample_frequency=options["sample_rate"],
        window_type=options["window"],
        low_freq=options["low_hz"],
        high_freq=options["high_hz"],
        subtract_mean=options["mean_norm"],
        energy_floor=0.0,
    )
    torch.testing.assert_close(build(own, changes)(waveform), expected, atol=1e-4, rtol=1e-5)


def test_more_coefficients_than_mels():
    with pytest.raises(ValueError, match="dim=31, expected 1 to 30"):
        build({"dim": 31})


def test_pickles_and_keeps_the_checkpoint_empty(speech_like):
    mfcc, waveform = build(), speech_like(4000)
    assert not mfcc.state_dict()
    assert torch.equal(pickle.loads(pickle.dumps(mfcc))(waveform), mfcc(waveform))
