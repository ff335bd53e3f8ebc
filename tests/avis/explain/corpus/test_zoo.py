"""Goats, lambs and wolves: counted by hand, and told from chance."""

import numpy as np
import pytest
from scipy import stats

from avis.explain.corpus.zoo import zoo


def test_errors_are_counted_where_they_belong():
    trials = [  # enrolled, test, accepted
        ("a", "a", False),
        ("a", "a", True),
        ("b", "b", True),
        ("a", "b", True),
        ("a", "c", False),
        ("b", "c", True),
        ("c", "b", False),
    ]
    enroll, test, accept = (np.array(column) for column in zip(*trials, strict=True))
    found = zoo(accept, enroll == test, enroll, test)
    assert (found.fnmr, found.fmr) == (pytest.approx(1 / 3), 0.5)
    counted = {
        kind: [(each.speaker, each.errors, each.trials) for each in animals] for kind, animals in found.kinds.items()
    }
    assert counted == {
        "goats": [("a", 1, 2), ("b", 0, 1)],
        "lambs": [("b", 1, 1), ("a", 1, 2), ("c", 0, 1)],
        "wolves": [("b", 1, 2), ("c", 1, 2)],
    }


def test_intervals_are_exact():
    speakers = np.repeat(["goat", "sheep"], [20, 200])
    accept = np.r_[np.arange(20) >= 8, np.arange(200) >= 10]
    goat, sheep = zoo(accept, np.ones(220, bool), speakers, speakers).goats
    expected = stats.binomtest(8, 20).proportion_ci(0.95, method="exact")
    assert (goat.low, goat.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert (goat.stands_out, sheep.stands_out) == (True, False)


@pytest.mark.slow
def test_who_errs_by_chance_alone_hardly_ever_stands_out():
    """Of 50 speakers with one rate, one or more in a twentieth of lists at most."""
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{number}" for number in range(50)], 40)
    lists = [zoo(rng.random(2000) > 0.1, np.ones(2000, bool), speakers, speakers).goats for _ in range(20)]
    assert sum(any(goat.stands_out for goat in goats) for goats in lists) <= 2


def test_a_kind_of_trial_that_there_is_none_of_has_no_rate():
    found = zoo(np.array([True]), np.array([True]), np.array(["a"]), np.array(["a"]))
    assert (found.fnmr, found.fmr, found.lambs, found.wolves) == (0.0, None, [], [])
