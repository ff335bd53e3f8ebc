import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import roc_curve

from avis.metrics.eer import equal_error_rate


def trials(targets: list[float], nontargets: list[float]) -> tuple[list[float], list[bool]]:
    return [*targets, *nontargets], [True] * len(targets) + [False] * len(nontargets)


@pytest.mark.parametrize(
    ("targets", "nontargets", "expected"),
    [
        pytest.param([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.4], 0.0, id="separated"),
        pytest.param([3, 2, 1, -0.5], [0.5, -1, -2, -3], 0.25, id="A"),
        pytest.param([2, 1, 0], [1.5, 0.5, -1, -2, -3], 1 / 3, id="D"),
        pytest.param([1, 1, 0], [1, 0, 0], 1 / 3, id="ties"),
        pytest.param([0.2] * 4, [0.2] * 4, 0.5, id="all equal"),
        pytest.param([0, 0], [1, 1], 1.0, id="inverted"),
        pytest.param([1], [0], 0.0, id="one pair"),
    ],
)
def test_goldens(targets: list[float], nontargets: list[float], expected: float) -> None:
    eer, threshold = equal_error_rate(*trials(targets, nontargets))
    assert eer == pytest.approx(expected, abs=1e-12)
    assert min(targets + nontargets) <= threshold <= max(targets + nontargets)


def test_linearly_spaced_scores() -> None:
    eer, _ = equal_error_rate(*trials(np.linspace(-2, 10, 1000).tolist(), np.linspace(-10, 2, 1000).tolist()))
    assert 0.166 < eer < 0.167 + 1e-12


@pytest.mark.parametrize(("mean", "expected"), [(2, 0.158655), (8, 0.022750)])
def test_gaussian_scores_reach_the_closed_form(mean: float, expected: float) -> None:
    quantiles = norm.ppf((np.arange(100_000) + 0.5) / 100_000) * np.sqrt(2 * mean)
    scores = np.concatenate([quantiles + mean, quantiles - mean])
    eer, threshold = equal_error_rate(scores, np.repeat([True, False], 100_000))
    assert eer == pytest.approx(expected, abs=2e-5)
    assert threshold == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("num_target", [3, 100, 900])
def test_equals_scikit_learn_with_root_finding(decimals: int, num_target: int) -> None:
    rng = np.random.default_rng(num_target + decimals)
    target = np.arange(1000) < num_target
    scores = rng.normal(1.5 * target).round(decimals)
    fpr, tpr, _ = roc_curve(target, scores, drop_intermediate=False)
    expected = brentq(lambda rate: 1.0 - rate - interp1d(fpr, tpr)(rate), 0.0, 1.0)
    assert equal_error_rate(scores, target)[0] == pytest.approx(expected, abs=1e-9)


def test_increasing_maps_and_swapped_sides_keep_the_rate() -> None:
    rng = np.random.default_rng(8)
    target = rng.random(500) < 0.4
    scores = rng.normal(target).round(1)
    eer, threshold = equal_error_rate(scores, target)
    order = rng.permutation(500)
    assert equal_error_rate(scores[order], target[order]) == (eer, threshold)
    assert equal_error_rate(np.exp(scores), target)[0] == pytest.approx(eer)
    assert equal_error_rate(-scores, ~target)[0] == pytest.approx(eer)


def test_threshold_balances_the_errors() -> None:
    rng = np.random.default_rng(9)
    target = rng.random(20_000) < 0.2
    scores = rng.normal(2.0 * target)
    eer, threshold = equal_error_rate(scores, target)
    assert np.mean(scores[target] < threshold) == pytest.approx(eer, abs=1e-3)
    assert np.mean(scores[~target] >= threshold) == pytest.approx(eer, abs=1e-3)


def test_threshold_is_finite_for_extreme_scores() -> None:
    _, threshold = equal_error_rate([1e308, -1e308, 1e308, -1e308], [True, True, False, False])
    assert np.isfinite(threshold)
