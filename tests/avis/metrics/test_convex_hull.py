import numpy as np
import pytest
from scipy.spatial import ConvexHull

from avis.metrics.convex_hull import hull, rocch_equal_error_rate
from avis.metrics.dcf import minimum_cost
from avis.metrics.eer import equal_error_rate
from avis.metrics.scores import ErrorRates, error_rates


@pytest.mark.parametrize(
    ("targets", "nontargets", "expected"),
    [
        pytest.param([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.4], 0.0, id="separated"),
        pytest.param([3, 2, 1, -0.5], [0.5, -1, -2, -3], 0.125, id="A"),
        pytest.param([2, 1, 0], [1.5, 0.5, -1, -2, -3], 0.25, id="D"),
        pytest.param([1, 1, 0], [1, 0, 0], 1 / 3, id="ties"),
        pytest.param([0.2] * 4, [0.2] * 4, 0.5, id="all equal"),
        pytest.param([0, 0], [1, 1], 0.5, id="inverted hides the sign"),
        pytest.param([1], [0], 0.0, id="one pair"),
    ],
)
def test_goldens(targets: list[float], nontargets: list[float], expected: float) -> None:
    target = [True] * len(targets) + [False] * len(nontargets)
    assert rocch_equal_error_rate([*targets, *nontargets], target) == pytest.approx(expected, abs=1e-12)


def test_linearly_spaced_scores() -> None:
    scores = np.concatenate([np.linspace(-2, 10, 1000), np.linspace(-10, 2, 1000)])
    assert 0.166 < rocch_equal_error_rate(scores, np.repeat([True, False], 1000)) < 0.167


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("seed", range(4))
def test_corners_are_those_of_qhull(seed: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.random(2000) < 0.2
    rates = error_rates(rng.normal(target).round(decimals), target)
    points = np.stack([rates.false_alarms, rates.misses], axis=1)
    outer = np.vstack([points, [rates.num_nontarget, rates.num_target]])  # closes the hull above the diagonal
    expected = {tuple(outer[i]) for i in ConvexHull(outer).vertices} - {tuple(outer[-1])}
    corners = hull(rates)
    assert set(zip(corners.false_alarms.tolist(), corners.misses.tolist(), strict=True)) == expected


def test_highest_minimum_error_over_priors() -> None:
    rng = np.random.default_rng(5)
    target = rng.random(400) < 0.5
    scores = rng.normal(target)
    rates = error_rates(scores, target)
    priors = np.linspace(0.001, 0.999, 4001)
    errors = [minimum_cost(rates, p_target=p) * min(p, 1 - p) for p in priors]
    assert rocch_equal_error_rate(scores, target) == pytest.approx(max(errors), abs=1e-3)
    assert rocch_equal_error_rate(scores, target) <= equal_error_rate(scores, target)[0]


def test_every_minimum_cost_is_that_of_a_corner() -> None:
    rng = np.random.default_rng(6)
    target = rng.random(3000) < 0.1
    rates = error_rates(rng.normal(2 * target), target)
    for p_target in (0.001, 0.01, 0.3, 0.9):
        assert minimum_cost(hull(rates), p_target=p_target) == minimum_cost(rates, p_target=p_target)


def monotone_chain(x: list[int], y: list[int]) -> list[int]:
    """Return the corners by Andrew's algorithm."""
    corners: list[int] = []
    for i in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2], corners[-1]
            if (x[b] - x[a]) * (y[i] - y[b]) < (y[b] - y[a]) * (x[i] - x[b]):
                break
            corners.pop()
        corners.append(i)
    return corners


def test_curves_that_lose_one_point_a_round_take_linear_time() -> None:
    """A convex arc undercut by its last point: pruning takes the points away one by one, from one end."""
    steps = np.arange(20_000)
    misses = np.append(np.cumsum(steps), np.sum(steps) + 1)
    false_alarms = np.append(30_000 + steps[::-1], 0)
    rates = ErrorRates(np.arange(20_001.0), misses, false_alarms, int(misses[-1]), int(false_alarms[0]))
    expected = monotone_chain(false_alarms.tolist(), misses.tolist())
    np.testing.assert_array_equal(hull(rates).misses, misses[expected])
