"""A batch is resampled as soxr resamples each waveform."""

import numpy as np
import pytest
import soxr
import torch

from avis.augment.resampling import is_simple, num_resampled, resample

RATIOS = [(0.9, 1.0), (1.1, 1.0), (0.95, 1.0), (16000, 8000), (8000, 16000), (16000, 6000), (16000, 11025)]


@pytest.mark.few(5)
@pytest.mark.parametrize(("in_rate", "out_rate"), RATIOS)
@pytest.mark.parametrize("num_samples", [1, 2, 50, 1001, 35201])
def test_it_is_soxr_s(in_rate, out_rate, num_samples):
    """White noise, so that the filter's edge counts, from beginning to end."""
    waveforms = np.random.default_rng(0).uniform(-1, 1, (2, num_samples)).astype(np.float32)
    expected = np.stack([soxr.resample(waveform, in_rate, out_rate, quality="HQ") for waveform in waveforms])
    result = resample(torch.from_numpy(waveforms), in_rate, out_rate).numpy()
    assert result.shape == expected.shape == (2, num_resampled(num_samples, in_rate, out_rate))
    assert result == pytest.approx(expected, abs=1e-5)


@pytest.mark.gpu
def test_it_is_soxr_s_where_a_training_multiplies_with_fewer_bits():
    waveforms = np.random.default_rng(0).uniform(-1, 1, (4, 35200)).astype(np.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        result = resample(torch.from_numpy(waveforms).cuda(), 1.1, 1.0).cpu().numpy()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert result == pytest.approx(np.stack([soxr.resample(each, 1.1, 1.0) for each in waveforms]), abs=1e-5)


@pytest.mark.parametrize("factor", [0.8, 0.9, 0.95, 1.05, 1.1, 1.25])
def test_as_many_samples_as_of_soxr(factor):
    for num_samples in [*range(1, 200), 35200, 48000]:
        made = len(soxr.resample(np.zeros(num_samples, np.float32), factor, 1.0))
        assert made == num_resampled(num_samples, factor, 1.0)


def test_simple_ratios():
    assert is_simple(0.9, 1.0)
    assert is_simple(16000, 11025)
    assert not is_simple(16000, 15999)
    assert not is_simple(0.91234, 1.0)
