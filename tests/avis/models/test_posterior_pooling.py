"""Posterior pooling: Gaussian inference by hand, its limits, and sizes."""

import pytest
import torch
from torch.distributions import Normal

from avis.models.posterior_pooling import PosteriorPooling


@pytest.fixture
def pooling() -> PosteriorPooling:
    torch.manual_seed(0)
    pooling = PosteriorPooling(6, hidden_channels=4).double().eval()
    for prior in (pooling.prior_mean, pooling.prior_log_precision):
        torch.nn.init.normal_(prior)
    return pooling


def test_is_the_maximum_of_the_posterior_density(pooling: PosteriorPooling):
    """Prior times the likelihoods of all frames, searched on a fine grid."""
    x = torch.randn(1, 6, 5, dtype=torch.float64)
    precisions = pooling.log_precisions(x).exp()
    grid = torch.linspace(-4, 4, 80001, dtype=torch.float64)
    for channel, mean in enumerate(pooling(x)[0]):
        prior = Normal(pooling.prior_mean[channel], (-0.5 * pooling.prior_log_precision[channel]).exp())
        density = prior.log_prob(grid)
        for frame in range(5):
            density = density + Normal(x[0, channel, frame], precisions[0, channel, frame] ** -0.5).log_prob(grid)
        assert mean.item() == pytest.approx(grid[density.argmax()].item(), abs=2e-4)


def test_without_frames_worth_trusting_it_is_the_prior(pooling: PosteriorPooling):
    with torch.no_grad():
        pooling.estimator[-1].bias.fill_(-1000.0)
    x = torch.randn(2, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(pooling(x), pooling.prior_mean.squeeze(1).expand(2, -1))


def test_frames_and_prior_contribute_by_their_precision(pooling: PosteriorPooling):
    x = torch.randn(2, 6, 5, dtype=torch.float64)
    precisions, prior = pooling.log_precisions(x).exp(), pooling.prior_log_precision.exp()
    total = precisions.sum(dim=2, keepdim=True) + prior
    frames, rest = pooling.contributions(x)
    torch.testing.assert_close(frames, precisions * x / total)
    torch.testing.assert_close(rest, (prior * pooling.prior_mean / total).squeeze(2))


def test_repeated_evidence_outweighs_the_prior(pooling: PosteriorPooling):
    x = torch.randn(2, 6, 1, dtype=torch.float64)
    torch.testing.assert_close(pooling(x.expand(-1, -1, 10000)), x.squeeze(2), rtol=1e-2, atol=1e-2)
    assert not torch.allclose(pooling(x), x.squeeze(2), rtol=1e-2, atol=1e-2)


def test_parameter_count_of_wespeakers_layer():
    """Prior 2 x d; d x 256 + 256; normalisation 2 x 256; 256 x d + d."""
    pooling = PosteriorPooling(1536, hidden_channels=256)
    expected = 2 * 1536 + (1536 * 256 + 256) + 2 * 256 + (256 * 1536 + 1536)
    assert sum(p.numel() for p in pooling.parameters()) == expected
