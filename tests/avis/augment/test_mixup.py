"""Mixup: sums of waveforms with the shares it states, and the field's distribution of them."""

import numpy as np
import pytest
import torch
from scipy import stats

from avis.augment.mixup import mixup


def test_each_waveform_is_the_stated_sum():
    batch = torch.randn(6, 50)
    mixed = mixup(batch, alpha=0.5, rng=np.random.default_rng(1), partners=np.random.default_rng(2))
    assert sorted(mixed.partner.tolist()) == list(range(6))
    for row, partner in enumerate(mixed.partner):
        expected = (1 - mixed.share) * batch[row] + mixed.share * batch[partner]
        torch.testing.assert_close(mixed.waveforms[row], expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_those_of_a_folded_beta(alpha: float):
    generators, partners = map(np.random.default_rng, range(2000)), np.random.default_rng(0)
    shares = [mixup(torch.zeros(2, 1), alpha=alpha, rng=rng, partners=partners).share for rng in generators]
    assert max(shares) <= 0.5
    assert stats.kstest(shares, lambda x: 2 * stats.beta(alpha, alpha).cdf(x)).pvalue > 0.01


def test_the_same_generators_mix_alike():
    batch = torch.randn(4, 10)
    draws = [{"rng": np.random.default_rng(7), "partners": np.random.default_rng(8)} for _ in range(2)]
    first, again = (mixup(batch, alpha=1.0, **each) for each in draws)
    assert torch.equal(first.waveforms, again.waveforms)


def test_the_share_does_not_depend_on_who_draws_the_partners():
    batch = torch.randn(8, 10)
    mixed = [
        mixup(batch, alpha=1.0, rng=np.random.default_rng(7), partners=np.random.default_rng(rank)) for rank in range(2)
    ]
    assert mixed[0].share == mixed[1].share
    assert not torch.equal(mixed[0].partner, mixed[1].partner)
