import pytest

from avis.metrics.fairness import fairness_discrepancy_rate, garbe

FMR, FNMR = [0.01, 0.02, 0.03], [0.05, 0.04, 0.03]


def test_discrepancy_by_hand() -> None:
    assert fairness_discrepancy_rate(FMR, FNMR) == pytest.approx(0.98)
    assert fairness_discrepancy_rate([0.1, 0.3], [0.2, 0.9], alpha=0.25) == pytest.approx(1 - (0.05 + 0.525))
    assert fairness_discrepancy_rate([0.1, 0.1], [0.2, 0.2]) == 1.0


def test_gini_by_hand() -> None:
    assert garbe(FMR, FNMR, alpha=1.0) == pytest.approx(1 / 3)
    assert garbe(FMR, FNMR) == pytest.approx(0.25)
    assert garbe([0.0, 0.2], [0.1, 0.1], alpha=1.0) == pytest.approx(1.0)  # one group bears all errors
    assert garbe([0.0, 0.0], [0.0, 0.0]) == 0.0


@pytest.mark.parametrize(("fmr", "fnmr", "alpha"), [([0.1], [0.1], 0.5), ([0.1, 2], [0.1, 0.1], 0.5), (FMR, FNMR, 2)])
def test_what_cannot_be_compared(fmr: list, fnmr: list, alpha: float) -> None:
    for figure in (fairness_discrepancy_rate, garbe):
        with pytest.raises(ValueError, match="expected"):
            figure(fmr, fnmr, alpha=alpha)
