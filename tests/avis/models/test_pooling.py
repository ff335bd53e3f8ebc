"""Pooling layers against NumPy and their papers' formulas, and their symmetries."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

import avis.models
from avis.models.correlation_pooling import CorrelationPooling
from avis.models.frame_statistics import STATISTICS_FLOOR, VARIANCE_FLOOR, attentive_statistics, weighted_statistics
from avis.models.mhfa import FactorisedPooling
from avis.models.multi_head_pooling import MultiHeadPooling
from avis.models.pooling import (
    AttentiveStatisticsPooling,
    DeviationPooling,
    MeanPooling,
    Pooling,
    SelfAttentivePooling,
    StatisticsPooling,
)
from avis.models.posterior_pooling import PosteriorPooling

EVERY_POOLING = {
    "mean": partial(MeanPooling, 6),
    "deviation": partial(DeviationPooling, 6),
    "statistics": partial(StatisticsPooling, 6),
    "self_attentive": partial(SelfAttentivePooling, 6),
    "attentive": partial(AttentiveStatisticsPooling, 6, attention_channels=4),
    "attentive_without_context": partial(AttentiveStatisticsPooling, 6, attention_channels=4, context=False),
    "attentive_without_norm": partial(AttentiveStatisticsPooling, 6, attention_channels=4, norm=False),
    "attentive_without_tanh": partial(AttentiveStatisticsPooling, 6, attention_channels=4, tanh=False),
    "multi_head": partial(MultiHeadPooling, 6, num_queries=1, num_heads=2, hidden_channels=4, per_channel=False),
    "multi_query": partial(MultiHeadPooling, 6, num_queries=2, num_heads=3, hidden_channels=4, per_channel=True),
    "posterior": partial(PosteriorPooling, 6, hidden_channels=4),
    "correlation": partial(CorrelationPooling, 6, rows=2, num_channels=4, num_ranges=2, dropout=0.0),
}


def test_every_pooling_is_tested():
    for module in pkgutil.iter_modules(avis.models.__path__):
        importlib.import_module(f"avis.models.{module.name}")
    tested = {pooling.func for pooling in EVERY_POOLING.values()}
    assert set(Pooling.__subclasses__()) - tested == {FactorisedPooling}, "give EVERY_POOLING a line for each"


every_pooling = pytest.mark.parametrize("build", EVERY_POOLING.values(), ids=EVERY_POOLING)


@pytest.fixture
def pooling() -> AttentiveStatisticsPooling:
    torch.manual_seed(0)
    pooling = AttentiveStatisticsPooling(6, attention_channels=4)
    pooling(torch.randn(5, 6, 40))  # moves the running statistics away from 0 and 1
    return pooling.eval()


def test_statistics_match_numpy():
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(2, 3, 50)), rng.random(size=(2, 3, 50))
    weights /= weights.sum(axis=2, keepdims=True)
    mean, std = weighted_statistics(torch.tensor(x))
    np.testing.assert_allclose(mean.squeeze(2), x.mean(axis=2))
    np.testing.assert_allclose(std.squeeze(2), x.std(axis=2))
    mean, std = weighted_statistics(torch.tensor(x), torch.tensor(weights))
    expected = np.array([[np.average(x[b, c], weights=weights[b, c]) for c in range(3)] for b in range(2)])
    np.testing.assert_allclose(mean.squeeze(2), expected)
    for b in range(2):
        for c in range(3):
            expected_std = np.sqrt(np.cov(x[b, c], aweights=weights[b, c], ddof=0))
            np.testing.assert_allclose(std[b, c, 0], expected_std)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_statistics_are_those_of_finite_differences_and_none_below_the_floor(weighted: bool):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)

    def statistics(x: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return attentive_statistics(x, logits) if weighted else weighted_statistics(x)

    assert torch.autograd.gradcheck(statistics, (x, logits))
    with torch.no_grad():
        plain = statistics(x, logits)
    torch.testing.assert_close(statistics(x, logits), plain)
    constant = torch.full((1, 1, 5), 3.0, requires_grad=True)
    mean, deviation = (
        attentive_statistics(constant, torch.zeros(1, 1, 5)) if weighted else weighted_statistics(constant)
    )
    (mean + 100 * deviation).sum().backward()
    torch.testing.assert_close(constant.grad, torch.full((1, 1, 5), 0.2))


def test_statistics_survive_a_large_offset():
    """E[x^2] - mean^2 in float32 would lose a deviation of 1 beside a mean of 1e4."""
    x = torch.tensor([[[9999.0, 10001.0] * 50]])
    _, std = weighted_statistics(x)
    assert std.item() == pytest.approx(1.0, rel=1e-4)


def test_same_function_as_the_papers_concatenation(pooling: AttentiveStatisticsPooling):
    """Eq. 3-6 literally: W [h_t; mean; std] + b, f, V . + k, softmax over t, weighted mean and deviation."""
    x = torch.randn(3, 6, 20)
    mean = x.mean(dim=2, keepdim=True).expand_as(x)
    std = x.std(dim=2, keepdim=True, unbiased=False).expand_as(x)
    matrix = torch.cat([pooling.frame.weight[:, :, 0], pooling.context.weight], dim=1)
    hidden = functional.conv1d(torch.cat([x, mean, std], dim=1), matrix.unsqueeze(2), pooling.context.bias).relu()
    norm = pooling.norm
    centred = (hidden - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps).sqrt()
    hidden = torch.tanh(norm.weight[:, None] * centred + norm.bias[:, None])
    alpha = torch.softmax(pooling.attention(hidden), dim=2)
    mu = (alpha * x).sum(dim=2)
    sigma = ((alpha * x**2).sum(dim=2) - mu**2).sqrt()
    torch.testing.assert_close(pooling(x), torch.cat([mu, sigma], dim=1), rtol=1e-4, atol=1e-5)


def test_parameter_count_of_the_papers_layers(pooling: AttentiveStatisticsPooling):
    """W [4 x 18] + b [4], normalisation [2 x 4], V [6 x 4] + k [6]."""
    assert sum(p.numel() for p in pooling.parameters()) == 4 * 18 + 4 + 2 * 4 + 6 * 4 + 6


def test_weights_are_a_distribution_per_channel(pooling: AttentiveStatisticsPooling):
    weights = pooling.attention_weights(torch.randn(3, 6, 20))
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 6))
    assert not torch.allclose(weights[:, 0], weights[:, 1], atol=1e-3), "attention must differ between channels"


def test_order_of_frames_and_repetition_do_not_matter(pooling: AttentiveStatisticsPooling):
    x = torch.randn(2, 6, 30)
    expected = pooling(x)
    torch.testing.assert_close(pooling(x[:, :, torch.randperm(30)]), expected)
    torch.testing.assert_close(pooling(x.repeat(1, 1, 7)), expected)


def test_zero_attention_is_plain_statistics_pooling(pooling: AttentiveStatisticsPooling):
    with torch.no_grad():
        pooling.attention.weight.zero_()
    x = torch.randn(2, 6, 30)
    expected = torch.cat([x.mean(dim=2), x.std(dim=2, unbiased=False)], dim=1)
    torch.testing.assert_close(pooling(x), expected)


def test_statistics_pooling_is_mean_and_sample_deviation():
    x = torch.randn(2, 6, 30)
    torch.testing.assert_close(StatisticsPooling(6)(x), torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1))
    one = StatisticsPooling(6)(x[:, :, :1])
    torch.testing.assert_close(one, torch.cat([x[:, :, 0], torch.full((2, 6), STATISTICS_FLOOR**0.5)], dim=1))


def test_mean_and_deviation_are_the_halves_of_the_statistics():
    x, num_frames = torch.randn(2, 6, 30), torch.tensor([30, 7])
    halves = torch.cat([MeanPooling(6)(x, num_frames), DeviationPooling(6)(x, num_frames)], dim=1)
    torch.testing.assert_close(halves, StatisticsPooling(6)(x, num_frames))


@every_pooling
def test_out_channels_are_what_comes_out(build: Callable[[], Pooling]):
    pooling = build()
    assert pooling(torch.randn(2, 6, 20)).shape == (2, pooling.out_channels)
    assert pooling.out_channels % 6 == 0


@every_pooling
def test_order_of_frames_does_not_matter(build: Callable[[], Pooling]):
    pooling, x = build().eval(), torch.randn(2, 6, 30)
    torch.testing.assert_close(pooling(x[:, :, torch.randperm(30)]), pooling(x))


@every_pooling
@pytest.mark.parametrize("level", [0.0, 1.0, 1e4])
def test_gradients_are_finite(build: Callable[[], Pooling], level: float):
    pooling, x = build(), (level * torch.randn(2, 6, 30)).requires_grad_()
    pooling(x).sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in pooling.parameters())


@every_pooling
def test_sums_are_float32_under_autocast(build: Callable[[], Pooling]):
    pooling, x = build().eval(), (100.0 + torch.randn(2, 6, 1000)).bfloat16()
    with torch.no_grad():
        for name, parameter in pooling.named_parameters():
            if "prior" not in name:
                parameter.zero_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = pooling(x)
        torch.testing.assert_close(rough.double(), pooling.double()(x.double()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_frames", [1, 2, 20])
@every_pooling
def test_frames_beyond_the_end_do_not_matter(num_frames: int, build: Callable[[], Pooling]):
    torch.manual_seed(0)
    pooling = build().eval()
    x = torch.randn(2, 6, 20)
    x[0, :, num_frames:] = 50.0
    padded, alone = pooling(x, torch.tensor([num_frames, 20])), pooling(x[:1, :, :num_frames])
    torch.testing.assert_close(padded, torch.cat([alone, pooling(x[1:])]))


@every_pooling
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_what_frames_contribute_and_the_rest_add_up_to_what_is_pooled(
    build: Callable[[], Pooling], dtype: torch.dtype, tolerance: float
):
    torch.manual_seed(0)
    pooling, x = build().eval().to(dtype), torch.randn(2, 6, 30, dtype=dtype)
    x[0, :2], x[1] = 3.0, 1e-4 * x[1]  # at the floor, or some of the weighted deviations
    frames, rest = pooling.contributions(x)
    assert (frames.shape, rest.shape) == ((2, pooling.out_channels, 30), (2, pooling.out_channels))
    pooled = pooling(x)
    assert (frames.sum(dim=2) + rest - pooled).norm() <= tolerance * pooled.norm()


@every_pooling
@pytest.mark.parametrize("num_frames", [1, 7])
def test_frames_beyond_the_end_contribute_nothing(build: Callable[[], Pooling], num_frames: int):
    torch.manual_seed(0)
    pooling, x = build().eval(), torch.randn(2, 6, 20)
    x[0, :, num_frames:] = 50.0
    frames, rest = pooling.contributions(x, torch.tensor([num_frames, 20]))
    assert (frames[0, :, num_frames:] == 0).all()
    for padded, alone in ((0, x[:1, :, :num_frames]), (1, x[1:])):
        of_frames, of_rest = pooling.contributions(alone)
        torch.testing.assert_close(frames[padded, :, : alone.shape[2]], of_frames[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(rest[padded], of_rest[0])


def test_attention_without_context_and_norm_is_tanh_of_the_frame_alone():
    pooling = AttentiveStatisticsPooling(6, attention_channels=4, norm=False, context=False)
    x = torch.randn(2, 6, 20)
    logits = pooling.attention(torch.tanh(functional.conv1d(x, pooling.frame.weight, pooling.frame.bias)))
    torch.testing.assert_close(pooling.attention_weights(x), logits.softmax(dim=2))
    assert sum(p.numel() for p in pooling.parameters()) == 6 * 4 + 4 + 4 * 6 + 6


@pytest.mark.parametrize("frames", [1, 30])
def test_constant_input_has_finite_gradients(pooling: AttentiveStatisticsPooling, frames: int):
    x = torch.full((2, 6, frames), 3.0, requires_grad=True)
    y = pooling(x)
    y.sum().backward()
    torch.testing.assert_close(y[:, :6], torch.full((2, 6), 3.0))
    torch.testing.assert_close(y[:, 6:], torch.full((2, 6), VARIANCE_FLOOR**0.5))
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in pooling.parameters())


def test_gradients_match_finite_differences(pooling: AttentiveStatisticsPooling):
    x = torch.randn(2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pooling.double(), (x,))


@pytest.mark.parametrize(
    ("device", "dtype"), [("cpu", torch.bfloat16), pytest.param("cuda", torch.float16, marks=pytest.mark.gpu)]
)
def test_statistics_are_float32_under_autocast(pooling: AttentiveStatisticsPooling, device: str, dtype: torch.dtype):
    """300 squared exceeds float16, and bfloat16 cannot tell 300 from 301: neither will do for the statistics."""
    x = (300.0 + 2.0 * torch.randn(2, 6, 1000)).to(device, dtype)
    pooling = pooling.to(device)
    with torch.no_grad():
        pooling.attention.weight.zero_()
        with torch.autocast(device, dtype=dtype):
            y = pooling(x)
    assert y.dtype == torch.float32
    exact = x.double()
    torch.testing.assert_close(y[:, :6].double(), exact.mean(dim=2), rtol=1e-5, atol=0)
    torch.testing.assert_close(y[:, 6:].double(), exact.std(dim=2, unbiased=False), rtol=1e-3, atol=0)


@pytest.mark.gpu
def test_context_does_not_overflow_float16(pooling: AttentiveStatisticsPooling):
    """Deviations of 400 fit into float16, their squares do not; all else here is small enough for it."""
    x, pooling = torch.tensor([-400.0, 400.0]).repeat(2, 6, 50).cuda(), pooling.cuda()
    with torch.no_grad():
        pooling.frame.weight.mul_(1e-2)
        pooling.context.weight.mul_(1e-2)
        exact = pooling.attention_weights(x)
        with torch.autocast("cuda", dtype=torch.float16):
            rough = pooling.attention_weights(x.half())
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0)


def test_self_attentive_pooling_is_its_formula():
    """Cai et al., 2018, Eq. 3-5: h = tanh(W x + b), w = softmax(h . u), e = sum of w x."""
    pooling, x = SelfAttentivePooling(6), torch.randn(2, 6, 20)
    for given, pooled in zip(x, pooling(x), strict=True):
        hidden = torch.tanh(pooling.frame.weight[:, :, 0] @ given + pooling.frame.bias[:, None])
        weights = torch.softmax(pooling.attention.weight[0, :, 0] @ hidden, dim=0)
        torch.testing.assert_close(pooled, given @ weights)
