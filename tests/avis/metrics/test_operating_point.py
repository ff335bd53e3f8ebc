import numpy as np
import pytest
from scipy.special import expit, logit

from avis.metrics.operating_point import OperatingPoint


@pytest.mark.parametrize(
    ("point", "threshold"),
    [
        (OperatingPoint(0.01, c_miss=10), 2.2925),
        (OperatingPoint(0.001), 6.9068),
        (OperatingPoint(0.01), 4.5951),
        (OperatingPoint(0.005), 5.2933),
        (OperatingPoint(0.05), 2.9444),
    ],
)
def test_thresholds_of_published_protocols(point: OperatingPoint, threshold: float) -> None:
    assert point.threshold == pytest.approx(threshold, abs=1e-4)
    assert point.accept(np.array([threshold - 0.01, threshold + 0.01])).tolist() == [False, True]


def test_the_decision_is_the_cheaper_one_and_its_cost_is_stated() -> None:
    point = OperatingPoint(p_target=0.05, c_miss=3.0, c_fa=1.0)
    llr = np.linspace(-20, 20, 401)
    posterior = expit(llr + logit(0.05))
    costs = np.stack([3.0 * posterior, 1.0 * (1 - posterior)])
    np.testing.assert_array_equal(point.accept(llr), costs[1] <= costs[0])
    np.testing.assert_allclose(point.expected_cost(llr), costs.min(axis=0), rtol=1e-6)
    assert point.expected_cost(np.array([-1000.0, 1000.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "wrong", [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, -1.0), (0.5, 1.0, np.inf)]
)
def test_what_is_no_operating_point_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="At operating_point"):
        OperatingPoint(*wrong)
