"""Holm's adjustment, against hand-computed values."""

import pytest

from avis.metrics.holm import holm


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
