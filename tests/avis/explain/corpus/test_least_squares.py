"""Least squares with errors by speakers: against textbook formulas, and a sum over pairs of trials written out."""

import numpy as np
import pytest
from scipy import stats

from avis.explain.corpus.least_squares import least_squares


def some_trials(num: int = 60, num_speakers: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(num), rng.normal(size=num), 1e4 * rng.uniform(1, 2, size=num)])
    speakers = rng.integers(0, num_speakers, size=(num, 2))
    of_speakers = rng.normal(size=num_speakers)
    return design, design @ [1.0, -2.0, 3e-4] + of_speakers[speakers].sum(axis=1) + rng.normal(size=num), speakers


def test_weights_are_those_of_the_normal_equations():
    design, values, speakers = some_trials()
    fit = least_squares(design, values, speakers)
    expected = np.linalg.solve(design.T @ design, design.T @ values)
    np.testing.assert_allclose(fit.weights, expected, rtol=1e-8)
    left = values - design @ expected
    assert fit.explained == pytest.approx(1 - left.var() / values.var())
    assert (fit.num_trials, fit.num_speakers) == (60, 9)


def test_errors_are_a_sum_over_trials_that_share_a_speaker():
    """Each pair of trials counts once for each speaker that both have: the sandwich, written out."""
    design, values, speakers = some_trials(num=25, num_speakers=6)
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    meat = np.zeros((3, 3))
    for one in range(25):
        for other in range(25):
            shared = len({*speakers[one]} & {*speakers[other]})
            meat += shared * left[one] * left[other] * np.outer(design[one], design[other])
    bread = np.linalg.inv(design.T @ design)
    expected = np.sqrt(np.diag(bread @ meat @ bread) * 6 / 5)
    np.testing.assert_allclose(least_squares(design, values, speakers).errors, expected, rtol=1e-6)


def test_of_a_mean_of_speakers_that_are_in_one_trial_each_intervals_are_students():
    values = np.random.default_rng(1).normal(size=12)
    each = np.arange(12)
    fit = least_squares(np.ones((12, 1)), values, np.stack([each, each], axis=1))
    tested = stats.ttest_1samp(values, 0.0)
    assert fit.p_values[0] == pytest.approx(tested.pvalue)
    np.testing.assert_allclose(fit.intervals[0], tested.confidence_interval(0.95))


def test_trials_told_twice_are_no_surer():
    design, values, speakers = some_trials()
    once = least_squares(design, values, speakers)
    twice = least_squares(*(np.repeat(each, 2, axis=0) for each in (design, values, speakers)))
    np.testing.assert_allclose(twice.errors, once.errors, rtol=1e-6)
    np.testing.assert_allclose(twice.weights, once.weights, rtol=1e-6)
