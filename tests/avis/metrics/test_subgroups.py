from typing import Any

import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling
from avis.metrics.fairness import fairness_discrepancy_rate, garbe
from avis.metrics.figures import EER, FMR, FNMR, FigureSet
from avis.metrics.subgroups import FDR, GARBE, group_names, subgroups
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials

OPTIONS: dict[str, Any] = {
    "min_trials": 1,
    "figure_set": FigureSet(),
    "resampling": Resampling(num_draws=20, confidence=0.95, seed=0),
}


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
    threshold = summarize(*trials[:2]).eer_threshold
    found = subgroups(trials, group, threshold=threshold, **OPTIONS)
    assert list(found.groups) == ["f", "m"]
    for name, of_group in found.groups.items():
        scores, target = trials.scores[group == name], trials.target[group == name]
        assert of_group.misses.errors == np.sum(scores[target] < threshold)
        assert of_group.false_alarms.errors == np.sum(scores[~target] >= threshold)
        assert of_group.misses.rate == of_group.figures[FNMR] == np.mean(scores[target] < threshold)
        assert of_group.false_alarms.rate == of_group.figures[FMR] == np.mean(scores[~target] >= threshold)
        assert of_group.figures[EER] == summarize(scores, target).figures[EER]
        assert [of_group.misses.is_few, of_group.false_alarms.is_few] == [False, False]
        for low, high in (of_group.intervals.figures[FNMR], of_group.misses.interval):
            assert low < of_group.misses.rate < high
    assert found.groups["f"].misses.rate > found.groups["m"].misses.rate
    groups = found.groups.values()
    rates = [group.false_alarms.rate for group in groups], [group.misses.rate for group in groups]
    assert found.fairness == {FDR: fairness_discrepancy_rate(*rates), GARBE: garbe(*rates)}


def test_groups_with_few_errors_or_one_kind_of_trial_say_so() -> None:
    trials = Trials(np.array([2.0, 0.0, 1.0, 3.0]), np.array([True, False, False, True]))
    found = subgroups(trials, np.array(["x", "x", "x", "y"]), threshold=0.5, **OPTIONS)
    x, y = found.groups["x"], found.groups["y"]
    assert (x.misses.errors, x.false_alarms.errors, x.misses.is_few, x.intervals) == (0, 1, True, None)
    assert (y.misses.rate, y.false_alarms.rate, y.figures, y.false_alarms.interval) == (0.0, None, None, None)
    assert found.fairness is None


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
    found = subgroups(trials, names, order=order, threshold=40.0, **OPTIONS)
    assert list(found.groups) == order
    assert [group.misses.trials for group in found.groups.values()] == [10] * 4


def test_too_many_groups() -> None:
    trials, _ = example()
    with pytest.raises(ValueError, match="got 4000 values"):
        subgroups(trials, np.arange(4000).astype(str), threshold=0.0, **OPTIONS)


def of_counts(**groups: tuple[int, int, int, int]) -> tuple[Trials, np.ndarray]:
    """Trials of groups with so many targets, misses, non-targets and false alarms at a threshold of 0.5."""
    scores, target, names = [], [], []
    for name, (targets, misses, nontargets, false_alarms) in groups.items():
        scores += [0.0] * misses + [1.0] * (targets - misses + false_alarms) + [0.0] * (nontargets - false_alarms)
        target += [True] * targets + [False] * nontargets
        names += [name] * (targets + nontargets)
    return Trials(np.array(scores), np.array(target)), group_names(np.array(names, dtype=object))[0]


F, M = (2000, 47, 2000, 34), (2000, 47, 2000, 52)
"""Miss rate .0235 in both; false-alarm rates .017 and .026."""


@pytest.mark.parametrize("name", ["(unknown)", " ", "x"])
def test_two_trials_of_unknown_or_rare_value_do_not_count_for_fairness(name: str) -> None:
    trials, names = of_counts(f=F, m=M, **{name: (1, 0, 1, 1)})
    found = subgroups(trials, names, threshold=0.5, **{**OPTIONS, "min_trials": 2})
    # Differences .009 and 0; Gini coefficients of two groups are |a - b| / (a + b).
    assert found.fairness[FDR] == pytest.approx(1 - 0.5 * 0.009)
    assert found.fairness[GARBE] == pytest.approx(0.5 * 9 / 43)
    shown = name if name == "x" else "(unknown)"
    assert list(found.left_out) == [shown]
    assert ("fewer than 2" in found.left_out[shown]) == (name == "x")
    assert found.groups[shown].misses.trials == 1
    assert found.fairness_intervals is None
    # What the two would have made of it: differences 1 - .017 and .0235, Gini coefficients .983 / 1.043 and .5.
    if name == "x":
        counting = subgroups(trials, names, threshold=0.5, **OPTIONS)
        assert {figure: round(value, 4) for figure, value in counting.fairness.items()} == {FDR: 0.4968, GARBE: 0.7212}


@pytest.mark.parametrize("few", [(99, 2, 2000, 50), (2000, 40, 99, 2)])
def test_a_group_counts_from_the_least_number_of_either_kind_on(few: tuple[int, int, int, int]) -> None:
    trials, names = of_counts(f=F, m=few)
    found = subgroups(trials, names, threshold=0.5, **{**OPTIONS, "min_trials": 100})
    assert (found.fairness, list(found.left_out)) == (None, ["m"])
    assert found.left_out["m"] == "fewer than 100 target or non-target trials"
    assert subgroups(trials, names, threshold=0.5, **{**OPTIONS, "min_trials": 99}).fairness is not None


def of_equal_groups(seed: int) -> tuple[Trials, np.ndarray]:
    """All pairs within two groups of 20 speakers each, who are recognised more or less well but alike in both."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(40), 4)
    spread = 0.7 * rng.lognormal(sigma=0.4, size=40)
    vectors = rng.normal(size=(40, 8))[speaker] + spread[speaker, None] * rng.normal(size=(speaker.size, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    one, other = np.triu_indices(speaker.size, k=1)
    same_group = speaker[one] // 20 == speaker[other] // 20
    one, other = one[same_group], other[same_group]
    scores = np.sum(vectors[one] * vectors[other], axis=1)
    trials = Trials(scores, speaker[one] == speaker[other], None, speaker[one], speaker[other])
    return trials, np.where(speaker[one] < 20, "f", "m")


def test_fairness_intervals_hold_the_truth_of_equal_groups() -> None:
    """Percentiles of the draws never did: equal groups differ in every list, and still more in a draw of it."""
    options = {**OPTIONS, "figure_set": FigureSet({}, ()), "resampling": Resampling(60, 0.95, 0)}
    held = {FDR: 0, GARBE: 0}
    for seed in range(10):
        trials, group = of_equal_groups(seed)
        found = subgroups(trials, group, threshold=0.6, **options)
        intervals = found.fairness_intervals
        assert (intervals.draws.num_speakers, intervals.draws.num_draws) == (40, 60)
        for figure, truth in ((FDR, 1.0), (GARBE, 0.0)):
            low, high = intervals.figures[figure]
            assert 0.0 <= low <= found.fairness[figure] <= high <= 1.0
            held[figure] += low <= truth <= high
    assert min(held.values()) >= 8


def test_numbers_that_six_digits_do_not_tell_apart_are_groups_of_their_own() -> None:
    names, order = group_names(np.array([20180102, 20180101, 20180102]))
    assert names.tolist() == ["20180102", "20180101", "20180102"]
    assert order == ["20180101", "20180102"]
    assert group_names(np.array([1000001.5, np.nan, 1000000.5]))[1] == ["1000000", "1000002", "(unknown)"]
    assert group_names(np.array([0.1, 0.2], np.float32))[1] == ["0.1", "0.2"]
