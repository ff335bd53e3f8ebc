"""RawNet3: sizes counted by hand, filters as asteroid writes them, normalisation as PyTorch has it, wiring."""

import numpy as np
import pytest
import torch
from torch import nn

from avis.models.rawnet3 import AfmsRes2Block, AnalyticFilters, RawNet3, WaveformNorm

SMALL = {"sample_rate": 16000, "channels": 16, "embedding_dim": 4, "mfa_channels": 24, "attention_channels": 8}


def test_parameter_count_of_the_published_code():
    """Add up its layers but the first batch normalisation, which it does not use; others have 2 per channel."""
    c, m, width = 1024, 1536, 128
    filters, norm = 2 * 128, 2
    around = (c * c + c + 2 * c) + c + (c * c + c)
    groups = 7 * (width * width * 3 + width + 2 * width)
    first = (256 * c + c + 2 * c) + groups + around + 256 * c
    other = (c * c + c + 2 * c) + groups + around
    pooling = (3 * m * 128 + 128) + 2 * 128 + (128 * m + m)
    head = 3 * c * m + m + pooling + 2 * 2 * m + (2 * m * 256 + 256)
    sizes = {**SMALL, "channels": 1024, "embedding_dim": 256, "mfa_channels": 1536, "attention_channels": 128}
    with torch.device("meta"):
        model = RawNet3(**sizes, scale=8)
    assert sum(p.numel() for p in model.parameters()) == filters + norm + first + 2 * other + head == 16_279_298


def test_parameter_count_is_the_published_one():
    """Of ESPnet's model, huggingface.co/alexgichamba/idls24_team33_vox1_rawnet3: with 3 centres of 1211 speakers."""
    sizes = {**SMALL, "channels": 1024, "embedding_dim": 192, "mfa_channels": 1536, "attention_channels": 128}
    with torch.device("meta"):
        model = RawNet3(**sizes, scale=8)
    assert sum(p.numel() for p in model.parameters()) + 1211 * 3 * 192 == pytest.approx(16.78e6, rel=0.0005)


def test_filters_are_those_of_asteroid():
    """Differences of sines and of cosines, over the time and twice the width; the middle is the limit."""
    bank = AnalyticFilters(8, sample_rate=16000).double()
    nn.init.uniform_(bank.low_hz, -3000.0, 6000.0)
    low = 50 + bank.low_hz.detach().numpy().astype(float).__abs__()
    high = np.minimum(low + 50 + np.abs(bank.band_hz.detach().numpy()), 8000.0)
    times = 2 * np.pi * np.arange(-125, 126)[None] / 16000
    times[0, 125] = np.nan
    low, high = low[:, None], high[:, None]
    cosines = (np.sin(high * times) - np.sin(low * times)) / (times / 2) / (2 * (high - low)) * np.hamming(251)
    sines = (np.cos(low * times) - np.cos(high * times)) / (times / 2) / (2 * (high - low)) * np.hamming(251)
    cosines[:, 125], sines[:, 125] = 1.0, 0.0
    np.testing.assert_allclose(bank.filters().detach(), np.concatenate([cosines, sines]), atol=1e-5)


def test_a_filter_pair_sees_its_band_whatever_the_phase():
    bank = AnalyticFilters(16, sample_rate=16000)
    low = 50 + bank.low_hz.detach()
    centre = low + (50 + bank.band_hz.detach()) / 2
    seconds = torch.arange(4000) / 16000
    for pair in (1, 4, 6):
        tone = torch.cos(2 * torch.pi * centre[pair] * seconds + 0.7)
        outputs = nn.functional.conv1d(tone.view(1, 1, -1), bank.filters().unsqueeze(1)).view(2, 8, -1)
        modulus = outputs.square().sum(dim=0).sqrt()
        assert modulus.mean(dim=1).argmax() == pair
        assert modulus[pair].std() < 0.03 * modulus[pair].mean()


def test_first_bands_follow_each_other_on_the_mel_scale():
    bank = AnalyticFilters(256, sample_rate=16000)
    edges = torch.cat([bank.low_hz, bank.low_hz[-1:] + bank.band_hz[-1:]]).double()
    assert edges[0].item() == pytest.approx(30, abs=1e-3)
    assert edges[-1].item() == pytest.approx(7900, abs=0.1)
    mels = 2595 * torch.log10(1 + edges / 700)
    torch.testing.assert_close(mels.diff(), mels.diff().mean().expand(128), rtol=1e-2, atol=0)


def test_norm_is_preemphasis_and_instance_norm():
    norm, theirs = WaveformNorm(), nn.InstanceNorm1d(1, eps=1e-4, affine=True)
    for mine, other in ((norm.scale, theirs.weight), (norm.offset, theirs.bias)):
        nn.init.uniform_(mine)
        other.data.copy_(mine.data)
    x = torch.randn(3, 1, 500)
    reflected = nn.functional.pad(x, (1, 0), "reflect")
    torch.testing.assert_close(norm(x), theirs(reflected[..., 1:] - 0.97 * reflected[..., :-1]))


def test_block_pools_its_sum_with_the_shortcut_and_scales_it():
    block = AfmsRes2Block(4, 8, dilation=2, scale=4, pool=5).eval()
    x = torch.randn(2, 4, 33)
    y = x
    for conv in block.convs:
        y = conv(y)
    expected = nn.functional.max_pool1d(y + block.shortcut(x), 5)
    gates = torch.sigmoid(block.scaling.gates(expected.mean(dim=2)))
    assert expected.shape == (2, 8, 6)
    torch.testing.assert_close(block(x), (expected + block.scaling.alpha) * gates.unsqueeze(2))


def test_last_block_sees_the_sum_and_the_aggregation_all():
    model = RawNet3(**SMALL, scale=4).eval()
    seen: dict[str, torch.Tensor] = {}
    for name in ("blocks.0", "blocks.1", "blocks.2", "aggregation"):
        model.get_submodule(name).register_forward_hook(
            lambda _module, inputs, output, name=name: seen.update({f"{name}.in": inputs[0], name: output})
        )
    model(torch.randn(2, 4000, 1))
    pooled = nn.functional.max_pool1d(seen["blocks.0"], 3)
    assert seen["blocks.0.in"].shape == (2, 4, 375)
    assert pooled.shape == (2, 16, 25)
    torch.testing.assert_close(seen["blocks.2.in"], pooled + seen["blocks.1"])
    torch.testing.assert_close(seen["aggregation.in"], torch.cat([pooled, seen["blocks.1"], seen["blocks.2"]], dim=1))


def test_level_hardly_matters():
    """Of a waveform that is not nearly silent."""
    model = RawNet3(**SMALL, scale=4).eval()
    x = torch.randn(2, 4000, 1)
    torch.testing.assert_close(model(x), model(30 * x), rtol=1e-2, atol=1e-3)


def test_channels_that_give_no_pairs_are_refused():
    with pytest.raises(ValueError, match="got channels=20, expected a multiple of 8"):
        RawNet3(**{**SMALL, "channels": 20}, scale=4)
