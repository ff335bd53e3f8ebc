import numpy as np
import pytest

from avis.scoring.bounds import Sources, count_sources, empirical_bounds


@pytest.mark.parametrize(
    ("ratios", "target", "expected"),
    [
        ([1e9, 1e-9], [1, 0], (1.0, 1.0)),
        ([1e9] * 3 + [1e-9] * 3, [1] * 3 + [0] * 3, (0.3362165, 2.9742741)),
        ([0.01, 0.1, 1, 10, 100], [1, 1, 1, 0, 0], (1.0, 1.0)),
        ([0.01, 0.1, 1, 10, 100], [0, 0, 1, 1, 1], (0.3771282, 1.4990474)),
        ([0.01, 0.1, 1, 10, 100], [0, 0, 0, 1, 1], (0.6668633, 2.6507161)),
    ],
)
def test_agrees_with_the_authors_package(ratios: list[float], target: list[int], expected: tuple[float, float]) -> None:
    """Expected are those of the tests of lir, which seeks bounds in steps of 1 % (0.01 in tens' logarithms: 2.3 %)."""
    answers = np.array(target, bool)
    found = np.exp(empirical_bounds(np.log(ratios), answers, count_sources(answers, None)))
    np.testing.assert_allclose(found, expected, rtol=0.024)


def worse_than_not_listening(threshold: float, llr: np.ndarray, target: np.ndarray, sources: Sources) -> bool:
    """Decide at a threshold, with one more error of each kind, and compare with the same answer to all trials."""
    miss = (np.mean(llr[target] <= threshold) * sources.num_target + 1) / (sources.num_target + 1)
    false_alarm = (np.mean(llr[~target] > threshold) * sources.num_nontarget + 1) / (sources.num_nontarget + 1)
    return bool(miss + np.exp(threshold) * false_alarm > min(1.0, np.exp(threshold)) + 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_within_the_bounds_no_threshold_is_worse_than_not_listening(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.uniform(size=500) < 0.3
    llr = np.where(target, 2.0, -2.0) * rng.uniform(0.5, 3.0) + 2.0 * rng.normal(size=500)
    sources = Sources(12, 66)
    lower, upper = empirical_bounds(llr, target, sources)
    assert -np.log(13) < lower < 0 < upper < np.log(67)
    for threshold in np.linspace(lower + 1e-6, upper - 1e-6, 501):
        assert not worse_than_not_listening(threshold, llr, target, sources), threshold
    for beyond in (lower - 1e-6, upper + 1e-6):
        assert worse_than_not_listening(beyond, llr, target, sources)


def test_the_bounds_turn_with_the_answers_and_know_no_order() -> None:
    rng = np.random.default_rng(0)
    target = np.arange(300) < 120
    llr = np.where(target, 3.0, -3.0) + 2.0 * rng.normal(size=300)
    lower, upper = empirical_bounds(llr, target, Sources(20, 190))
    assert empirical_bounds(-llr, ~target, Sources(190, 20)) == (-upper, -lower)
    order = rng.permutation(300)
    assert empirical_bounds(llr[order], target[order], Sources(20, 190)) == (lower, upper)
    assert lower > empirical_bounds(llr, target, Sources(200, 190))[0]


def test_ratios_that_mislead_are_worth_nothing() -> None:
    target = np.arange(10) < 5
    assert empirical_bounds(np.where(target, -3.0, 3.0), target, Sources(5, 5)) == (0.0, 0.0)
    assert empirical_bounds(np.zeros(10), target, Sources(5, 5)) == (0.0, 0.0)
