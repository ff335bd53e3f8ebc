import numpy as np
import pytest
from scipy.stats import norm

from avis.metrics.dcf import act_dcf, min_dcf


@pytest.mark.parametrize("p_target", [0.01, 0.05])
@pytest.mark.parametrize(
    ("targets", "nontargets", "expected"),
    [
        pytest.param([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.4], 0.0, id="separated"),
        pytest.param([3, 2, 1, -0.5], [0.5, -1, -2, -3], 0.25, id="A"),
        pytest.param([2, 1, 0], [1.5, 0.5, -1, -2, -3], 2 / 3, id="D"),
        pytest.param([1, 1, 0], [1, 0, 0], 1.0, id="ties are decided together"),
        pytest.param([0, 0], [1, 1], 1.0, id="inverted: accept none"),
    ],
)
def test_goldens(targets: list[float], nontargets: list[float], expected: float, p_target: float) -> None:
    target = [True] * len(targets) + [False] * len(nontargets)
    assert min_dcf([*targets, *nontargets], target, p_target=p_target) == pytest.approx(expected, abs=1e-12)


def test_linearly_spaced_scores_at_even_prior() -> None:
    scores = np.concatenate([np.linspace(-2, 10, 1000), np.linspace(-10, 2, 1000)])
    assert 0.332 < min_dcf(scores, np.repeat([True, False], 1000), p_target=0.5) < 0.334


@pytest.mark.parametrize(
    ("mean", "p_target", "expected"),
    [(2, 0.05, 0.809178), (2, 0.01, 0.951057), (8, 0.05, 0.162196), (8, 0.01, 0.278481)],
)
def test_gaussian_scores_reach_the_closed_form(mean: float, p_target: float, expected: float) -> None:
    quantiles = norm.ppf((np.arange(500_000) + 0.5) / 500_000) * np.sqrt(2 * mean)
    scores = np.concatenate([quantiles + mean, quantiles - mean])
    result = min_dcf(scores, np.repeat([True, False], 500_000), p_target=p_target)
    assert result == pytest.approx(expected, abs=2e-4)


def test_costs_fold_into_an_effective_prior() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(2000) < 0.3
    scores = rng.normal(2 * target)
    effective = 10 * 0.01 / (10 * 0.01 + 0.99)
    assert min_dcf(scores, target, p_target=0.01, c_miss=10) == pytest.approx(
        min_dcf(scores, target, p_target=effective)
    )


def test_one_false_alarm_costs_its_odds() -> None:
    scores = [1.0] * 10 + [2.0] + [0.0] * 999
    target = [True] * 10 + [False] * 1000
    assert min_dcf(scores, target, p_target=0.05) == pytest.approx(19 / 1000)


@pytest.mark.parametrize(
    "costs", [{"p_target": 0.0}, {"p_target": 1.0}, {"p_target": 0.1, "c_miss": 0.0}, {"p_target": 0.1, "c_fa": np.nan}]
)
def test_costs_out_of_range(costs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        min_dcf([1, 0], [True, False], **costs)


def test_actual_cost_of_linearly_spaced_scores_at_even_prior() -> None:
    scores = np.concatenate([np.linspace(-2, 10, 1000), np.linspace(-10, 2, 1000)])
    assert act_dcf(scores, np.repeat([True, False], 1000), p_target=0.5) == pytest.approx(0.334, abs=1e-3)


@pytest.mark.parametrize(("mean", "p_target", "expected"), [(2, 0.05, 0.809178), (8, 0.01, 0.278481)])
def test_actual_cost_of_calibrated_ratios_is_the_minimum(mean: float, p_target: float, expected: float) -> None:
    quantiles = norm.ppf((np.arange(500_000) + 0.5) / 500_000) * np.sqrt(2 * mean)
    llr = np.concatenate([quantiles + mean, quantiles - mean])
    assert act_dcf(llr, np.repeat([True, False], 500_000), p_target=p_target) == pytest.approx(expected, abs=2e-4)


def test_actual_cost_may_pass_one() -> None:
    assert act_dcf([9, 9], [True, False], p_target=0.01) == pytest.approx(99)
    assert min_dcf([9, 9], [True, False], p_target=0.01) == 1
