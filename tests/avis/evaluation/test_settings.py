"""Settings of an evaluation: what makes no sense is refused by its key."""

from collections.abc import Callable

import pytest

from avis.evaluation.settings import Evaluation


def test_just_enough_draws_will_do(evaluation: Callable[..., Evaluation]):
    for draws, confidence in ((40, 0.95), (20, 0.9), (200, 0.99), (0, 0.95)):
        evaluation(bootstrap_draws=draws, confidence=confidence)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bootstrap_draws": -1}, "bootstrap_draws=-1"),
        ({"bootstrap_draws": 39}, "too few draws to compare: got bootstrap_draws=39 for confidence=0.95"),
        ({"bootstrap_draws": 19, "confidence": 0.9}, "too few draws to compare: got bootstrap_draws=19"),
        ({"confidence": 1.5}, "confidence=1.5"),
        ({"fmrs": [2.0]}, r"fmrs=\[2.0\]"),
        ({"fmrs": [0.1, 0.0]}, r"fmrs=\[0.1, 0.0\]"),
        ({"trials_in_memory": 0}, "trials_in_memory=0"),
        ({"fairness_min_trials": 0}, "fairness_min_trials=0"),
        ({"operating_points": {"mine": {"p_target": 2.0}}}, "p_target=2.0"),
        ({"operating_points": {"mine": {"prior": 0.1}}}, "operating point malformed: got mine"),
        ({"operating_points": {"SRE08": {"p_target": 0.1}}}, "operating point malformed: got SRE08"),
    ],
)
def test_options_that_make_no_sense_are_errors(evaluation: Callable[..., Evaluation], changed: dict, message: str):
    with pytest.raises(ValueError, match=message):
        evaluation(**changed)
