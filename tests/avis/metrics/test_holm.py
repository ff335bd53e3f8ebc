"""Holm's adjustment, against hand-computed values."""

import pytest

from avis.metrics.figures import AUC, EER
from avis.metrics.holm import adjust, holm
from avis.metrics.intervals import Difference, Differences, Draws, Interval


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.2], [0.2]),
        ([0.04, 0.01], [0.04, 0.02]),
        # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never less than the one before.
        ([0.04, 0.02, 0.01, 0.03], [0.06, 0.06, 0.04, 0.06]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.0, 0.0, 0.5], [0.0, 0.0, 0.5]),
        ([], []),
    ],
)
def test_smaller_p_values_are_multiplied_by_more(given: list[float], adjusted: list[float]) -> None:
    assert holm(given) == pytest.approx(adjusted)


def compared(eer: float | None, auc: float) -> Differences:
    figures = {EER: Difference(-0.01, Interval(-0.02, -0.001), eer), AUC: Difference(0.0, None, auc)}
    return Differences(figures, Draws(0.95, 1000, 0, 20))


def test_p_values_of_each_figure_are_adjusted_for_the_number_of_systems() -> None:
    found = adjust({"two": compared(0.03, 0.5), "three": compared(0.02, 0.9), "four": compared(None, 0.01)})
    # The smaller of two times 2, the larger times 1, but no less than that; the smallest of three times 3.
    assert {name: each.figures[EER].p_value for name, each in found.items()} == {
        "two": 0.04,
        "three": 0.04,
        "four": None,
    }
    assert found["four"].figures[AUC].p_value == pytest.approx(0.03)
    assert found["two"].figures[EER].interval == Interval(-0.02, -0.001)
    assert adjust({"alone": compared(0.03, 0.5)}) == {"alone": compared(0.03, 0.5)}
