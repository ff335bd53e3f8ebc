import numpy as np
import pytest
from scipy.stats import binomtest

from avis.metrics.binomial import binomial_interval


@pytest.mark.parametrize(("errors", "trials", "low", "high"), [(0, 300, 0.0, 0.0122), (30, 3000, 0.0068, 0.0142)])
def test_rule_of_thirty(errors: int, trials: int, low: float, high: float) -> None:
    assert binomial_interval(errors, trials, 0.95) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("errors", "trials"), [(0, 1), (1, 1), (3, 10), (9, 10), (500, 1000), (120, 90_000), (9_000, 10**6), (70, 70)]
)
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_equals_scipy(errors: int, trials: int, confidence: float) -> None:
    expected = binomtest(errors, trials).proportion_ci(confidence)
    assert binomial_interval(errors, trials, confidence) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-12)


def test_many_errors_are_close_to_exact() -> None:
    expected = binomtest(20_000, 300_000).proportion_ci(0.95)
    np.testing.assert_allclose(binomial_interval(20_000, 300_000, 0.95), expected, rtol=1e-3)


def test_no_trials_have_no_rate() -> None:
    with pytest.raises(ValueError, match="trials=0"):
        binomial_interval(0, 0, 0.95)
