"""Shapley values are the mean over all orders in which players come."""

import itertools

import numpy as np
import pytest

from avis.explain.segments import MOST_SEGMENTS
from avis.explain.shapley import shapley, shapley_values
from tests.avis.explain.closed_form import heard_of, judge_of, side_of, trial, utterance


def over_all_orders(worths, num):
    added = np.zeros(num)
    orders = [*itertools.permutations(range(num))]
    for order in orders:
        subset = 0
        for player in order:
            added[player] += worths[subset | 1 << player] - worths[subset]
            subset |= 1 << player
    return added / len(orders)


@pytest.mark.parametrize("num", [1, 2, 3, 6])
def test_they_are_the_mean_over_all_orders(num):
    worths = np.random.default_rng(num).normal(size=1 << num)
    assert shapley_values(worths) == pytest.approx(over_all_orders(worths, num), abs=1e-12)


def test_of_many_players_they_add_up_and_who_adds_nothing_has_nothing():
    rng = np.random.default_rng(0)
    half = rng.normal(size=1 << MOST_SEGMENTS - 1)
    worths = np.concatenate([half, half])  # the last player changes nothing
    values = shapley_values(worths)
    assert values[-1] == 0
    assert values.sum() == pytest.approx(worths[-1] - worths[0], abs=1e-9)


def test_players_that_are_alike_have_alike():
    worths = np.array([0, 1, 1, 5], np.float64)
    assert shapley_values(worths).tolist() == [2.5, 2.5]


def test_of_a_trial_they_add_up_to_all_less_nothing():
    case = trial(seeds=((0, 2), (1,)))
    enroll, test = shapley(case.embedder, case.judge, case.sides)
    for each in (*enroll, *test):
        assert each.segments.sum() == pytest.approx(each.everything - each.nothing, abs=1e-6)


def test_twelve_segments_are_4096_subsets():
    case = trial()
    long = heard_of(case.embedder, utterance(5, MOST_SEGMENTS))
    sides = side_of("enroll", long), case.sides[1]
    (made,), _ = shapley(case.embedder, judge_of(sides), sides)
    assert len(made.segments) == MOST_SEGMENTS
    assert made.segments.sum() == pytest.approx(made.everything - made.nothing, abs=1e-6)


def test_a_recording_of_one_segment_is_worth_all():
    case = trial()
    short = heard_of(case.embedder, utterance(5, 1))
    sides = side_of("enroll", short), case.sides[1]
    (made,), _ = shapley(case.embedder, judge_of(sides), sides)
    assert made.segments.tolist() == pytest.approx([made.everything - made.nothing], abs=1e-9)
    assert made.everything == pytest.approx(judge_of(sides).as_it_was(), abs=1e-6)
