import numpy as np
import pytest
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from avis.metrics.cllr import cllr, softplus
from avis.metrics.pav import min_cllr, pav_curve

CASES = [
    pytest.param([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.4], 0.0, id="separated"),
    pytest.param([3, 2, 1, -0.5], [0.5, -1, -2, -3], 0.25, id="A"),
    pytest.param([2, 1, 0], [1.5, 0.5, -1, -2, -3], 0.509031, id="D"),
    pytest.param([1, 1, 0], [1, 0, 0], 0.918296, id="ties"),
    pytest.param([0.2] * 4, [0.2] * 4, 1.0, id="all equal"),
    pytest.param([0, 0], [1, 1], 1.0, id="inverted"),
    pytest.param([1], [0], 0.0, id="one pair"),
]


def trials(targets: list[float], nontargets: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([*targets, *nontargets]), np.arange(len(targets) + len(nontargets)) < len(targets)


@pytest.mark.parametrize(("targets", "nontargets", "expected"), CASES)
def test_minimum_goldens(targets: list[float], nontargets: list[float], expected: float) -> None:
    assert min_cllr(*trials(targets, nontargets)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("targets", "nontargets", "expected"),
    [
        pytest.param([3, 2, 1, -0.5], [0.5, -1, -2, -3], 0.527613, id="A"),
        pytest.param([2, 1, 0], [1.5, 0.5, -1, -2, -3], 0.729017, id="D"),
        pytest.param([0, 0], [0], 1.0, id="ratios of 1"),
        pytest.param([np.log(3)], [-np.log(3)], 0.415037, id="ratios of 3"),
        pytest.param([-np.log(3)], [np.log(3)], 2.0, id="ratios of 3, reversed"),
    ],
)
def test_goldens(targets: list[float], nontargets: list[float], expected: float) -> None:
    assert cllr(*trials(targets, nontargets)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("mean", "expected"), [(2, 0.514056), (8, 0.087178)])
def test_calibrated_gaussian_ratios_reach_the_closed_form(mean: float, expected: float) -> None:
    quantiles = norm.ppf((np.arange(100_000) + 0.5) / 100_000) * np.sqrt(2 * mean)
    llr = np.concatenate([quantiles + mean, quantiles - mean])
    target = np.repeat([True, False], 100_000)
    assert cllr(llr, target) == pytest.approx(expected, abs=2e-5)
    assert min_cllr(llr, target) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("decimals", [1, 8])
def test_minimum_and_curve_equal_isotonic_regression(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    target = rng.random(4000) < 0.2
    scores = rng.normal(1.5 * target).round(decimals)
    posterior = IsotonicRegression(y_min=0, y_max=1).fit_transform(scores, target)
    weights = np.where(target, 0.5 / target.sum(), 0.5 / (~target).sum())
    with np.errstate(divide="ignore"):
        llr = np.log(posterior) - np.log1p(-posterior) - np.log(target.sum() / (~target).sum())
    balanced = 1 / (1 + np.exp(-llr))
    expected = log_loss(target, balanced, sample_weight=weights) / np.log(2)
    assert min_cllr(scores, target) == pytest.approx(expected, abs=1e-9)
    curve = pav_curve(scores, target)
    found = curve.llr[np.searchsorted(curve.scores, scores, side="right") - 1]
    np.testing.assert_allclose(found, llr, atol=1e-9)


def test_calibration_only_ever_costs() -> None:
    rng = np.random.default_rng(2)
    target = rng.random(1000) < 0.5
    llr = rng.normal(target)
    assert cllr(llr, target) >= min_cllr(llr, target)
    assert min_cllr(3 * llr + 7, target) == pytest.approx(min_cllr(llr, target), abs=1e-12)


def test_extreme_ratios_neither_overflow_nor_vanish() -> None:
    np.testing.assert_allclose(softplus(np.array([-1e4, -50, 0, 50, 1e4])), np.logaddexp(0, [-1e4, -50, 0, 50, 1e4]))
    assert cllr([-1e6, 1e6], [True, False]) == pytest.approx(1e6 / np.log(2))
