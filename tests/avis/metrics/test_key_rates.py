import numpy as np
import pytest

from avis.metrics.convex_hull import hull
from avis.metrics.eer import crossing
from avis.metrics.fnmr import fixed_fmr
from avis.metrics.key_rates import key_rates
from avis.metrics.roc import twice_won_pairs
from avis.metrics.scores import sort_scores

FMRS = (0.0, 0.001, 0.03, 1.0)


@pytest.mark.parametrize("gap", [0.0, 1.0, 4.0, -1.0])
@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.97])
@pytest.mark.parametrize(("decimals", "dtype"), [(1, np.float32), (3, np.float64), (9, np.float32)])
def test_figures_are_those_of_the_whole_curve(gap: float, share: float, decimals: int, dtype: type) -> None:
    rng = np.random.default_rng(decimals)
    target = rng.random(30_000) < share
    ordered = sort_scores(rng.normal(gap * target, 1 + target).round(decimals).astype(dtype), target)
    rates = ordered.rates()
    found, twice_won = key_rates(ordered, FMRS)
    assert twice_won == twice_won_pairs(rates)
    assert crossing(found) == crossing(rates)
    for fmr in FMRS:
        assert fixed_fmr(found, fmr) == fixed_fmr(rates, fmr)
    for one, other in zip(hull(found), hull(rates), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_whole_curve_is_not_kept() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(200_000) < 0.3
    found, _ = key_rates(sort_scores(rng.normal(target), target), FMRS)
    assert found.thresholds.size < 500


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize(("gap", "decimals"), [(0.0, 8), (2.0, 8), (2.0, 1), (2.0, 0), (100.0, 8)])
def test_pieces_leave_no_trace(share: float, gap: float, decimals: int) -> None:
    rng = np.random.default_rng(3)
    target = rng.random(20_000) < share
    ordered = sort_scores(rng.normal(gap * target).round(decimals), target)
    expected, twice_won = key_rates(ordered, FMRS)
    for part, whole in zip(zip(*ordered.pieces(500), strict=True), ordered, strict=False):
        if isinstance(whole, np.ndarray):
            np.testing.assert_array_equal(np.concatenate(part), whole)
    found, pairs = key_rates(ordered, FMRS, piece_size=500)
    assert pairs == twice_won == twice_won_pairs(ordered.rates())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
