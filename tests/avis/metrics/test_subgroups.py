import json

import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling
from avis.metrics.fairness import fairness_discrepancy_rate, garbe
from avis.metrics.figures import Wanted
from avis.metrics.subgroups import group_names, subgroups
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials

RESAMPLING = Resampling(num_draws=20, confidence=0.95, seed=0)


def example() -> tuple[Trials, np.ndarray]:
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 12, (2, 4000))
    speakers[1, :2000] = speakers[0, :2000]
    target = speakers[0] == speakers[1]
    group = np.where(speakers[0] < 6, "f", "m")
    scores = rng.normal(np.where(group == "f", 1.0, 2.0) * target)
    return Trials(scores, target, None, *speakers), group


def test_groups_share_one_threshold() -> None:
    trials, group = example()
    threshold = summarize(*trials[:2])["eer_threshold"]
    found = subgroups(trials, group, threshold=threshold, wanted=Wanted(), resampling=RESAMPLING)
    assert list(found["groups"]) == ["f", "m"]
    for name, cell in found["groups"].items():
        scores, target = trials.scores[group == name], trials.target[group == name]
        assert cell["misses"] == np.sum(scores[target] < threshold)
        assert cell["false_alarms"] == np.sum(scores[~target] >= threshold)
        assert cell["fnmr"] == cell["figures"]["fnmr"] == np.mean(scores[target] < threshold)
        assert cell["fmr"] == cell["figures"]["fmr"] == np.mean(scores[~target] >= threshold)
        assert cell["figures"]["eer"] == summarize(scores, target)["eer"]
        assert cell["few_errors"] is False
        low, high = cell["intervals"]["figures"]["fnmr"]
        assert low < cell["fnmr"] < high
        low, high = cell["binomial_intervals"]["fnmr"]
        assert low < cell["fnmr"] < high
    assert found["groups"]["f"]["fnmr"] > found["groups"]["m"]["fnmr"]
    rates = [[cell[key] for cell in found["groups"].values()] for key in ("fmr", "fnmr")]
    assert found["fdr"] == fairness_discrepancy_rate(*rates)
    assert found["garbe"] == garbe(*rates)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_cells_with_few_errors_or_one_kind_of_trial_say_so() -> None:
    trials = Trials(np.array([2.0, 0.0, 1.0, 3.0]), np.array([True, False, False, True]))
    found = subgroups(trials, np.array(["x", "x", "x", "y"]), threshold=0.5, wanted=Wanted(), resampling=RESAMPLING)
    x, y = found["groups"]["x"], found["groups"]["y"]
    assert (x["misses"], x["false_alarms"], x["few_errors"], x["intervals"]) == (0, 1, True, None)
    assert (y["fnmr"], y["fmr"], y["figures"], y["binomial_intervals"]["fmr"]) == (0.0, None, None, None)
    assert (found["min_errors"], found["fdr"], found["garbe"]) == (30, None, None)


def test_names_of_numbers() -> None:
    assert group_names(np.array([1.5, np.nan, 2.0]))[0].tolist() == ["1.5", "(unknown)", "2"]
    values = np.append(np.random.default_rng(0).normal(size=1000), np.nan)
    names, order = group_names(values)
    assert sorted(order) == np.unique(names).tolist()
    assert sorted(np.unique(names, return_counts=True)[1].tolist()) == [1, 250, 250, 250, 250]
    assert values[names == names[np.nanargmin(values)]].max() < np.nanquantile(values, 0.26)


def test_numbers_are_stated_in_their_order() -> None:
    assert group_names(np.array([10.0, 9.0, np.nan, -1.0, 9.0]))[1] == ["-1", "9", "10", "(unknown)"]
    assert group_names(np.array(["b", None, "(a)", "a"], dtype=object))[1] == ["(a)", "a", "b", "(unknown)"]
    values = np.arange(80.0) - 40.5
    names, order = group_names(values)
    assert order == ["below -20.75", "-20.75 to -1", "-1 to 18.75", "from 18.75"]
    trials = Trials(np.arange(80.0), np.arange(80) % 2 == 0)
    found = subgroups(trials, names, order=order, threshold=40.0, wanted=Wanted(), resampling=RESAMPLING)
    assert list(found["groups"]) == order
    assert [cell["num_target"] for cell in found["groups"].values()] == [10] * 4


def test_too_many_groups() -> None:
    trials, _ = example()
    with pytest.raises(ValueError, match="got 4000 values"):
        subgroups(trials, np.arange(4000).astype(str), threshold=0.0, wanted=Wanted(), resampling=RESAMPLING)
