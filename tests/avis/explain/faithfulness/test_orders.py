"""Deletion and insertion against curves by hand."""

import itertools

import numpy as np
import pytest

from avis.explain.faithfulness.ceiling import best_order
from avis.explain.faithfulness.orders import evidence_of_subsets, orders
from avis.explain.judge import Judge
from avis.scoring.cosine import Cosine
from avis.verifier.comparison import Comparison


def judge_by_cosine(enroll: np.ndarray, test: np.ndarray) -> Judge:
    return Judge(comparison=Comparison(Cosine(center=False), None, {}), embeddings=(enroll, test), speech_s=(1.0, 1.0))


ENROLL = np.array([1.0, 0.0])
SEGMENTS = np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]])
"""Cosines with the enrolment: 0.6, 0 and 1."""


def cosine(*kept: int) -> float:
    mean = SEGMENTS[list(kept)].mean(axis=0)
    return float(mean[0] / np.hypot(*mean))


def test_curves_are_those_of_subsets_by_hand():
    judge = judge_by_cosine(ENROLL, SEGMENTS.mean(axis=0))
    share, chance = orders(judge, SEGMENTS, {"share": np.array([2.0, 1.0, 3.0])}, toward=1)
    whole, without_last, without_both = cosine(0, 1, 2), cosine(0, 1), cosine(1)
    assert share.deletion == pytest.approx((whole / 2 + without_last + without_both / 2) / 2 - whole, abs=1e-6)
    first, two = cosine(2), cosine(0, 2)
    assert share.insertion == pytest.approx((first / 2 + two + whole / 2) / 2 - whole, abs=1e-6)
    assert (share.by, chance.by, share.deletion_sd) == ("share", "random", None)


def test_evidence_is_counted_for_the_decision():
    judge = judge_by_cosine(ENROLL, SEGMENTS.mean(axis=0))
    values = np.array([2.0, 1.0, 3.0])
    for_one, against = (orders(judge, SEGMENTS, {"share": values}, toward=toward)[0] for toward in (1, -1))
    assert against.deletion == pytest.approx(-for_one.deletion)
    assert against.insertion == pytest.approx(-for_one.insertion)


def test_insertion_is_deletion_in_the_order_turned_round():
    rng = np.random.default_rng(0)
    segments, values = rng.normal(size=(6, 4)), rng.normal(size=6)
    judge = judge_by_cosine(rng.normal(size=4), segments.mean(axis=0))
    one, other, _ = orders(judge, segments, {"share": values, "shapley": -values}, toward=1)
    assert one.insertion == pytest.approx(other.deletion)
    assert one.deletion == pytest.approx(other.insertion)


def test_chance_is_the_mean_over_all_orders():
    judge = judge_by_cosine(ENROLL, SEGMENTS.mean(axis=0))
    every = [np.array(each, float) for each in itertools.permutations(range(3))]
    of_every = [orders(judge, SEGMENTS, {"share": values}, toward=1)[0].deletion for values in every]
    chance = orders(judge, SEGMENTS, {}, toward=1)[0]
    assert chance.deletion == pytest.approx(np.mean(of_every), abs=0.3 * np.std(of_every))
    assert chance.deletion_sd == pytest.approx(np.std(of_every), rel=0.2)
    assert chance == orders(judge, SEGMENTS, {}, toward=1)[0]


def test_one_segment_has_no_order():
    assert orders(judge_by_cosine(ENROLL, SEGMENTS[0]), SEGMENTS[:1], {"share": np.ones(1)}, toward=1) == []
    assert best_order(judge_by_cosine(ENROLL, SEGMENTS[0]), SEGMENTS[:1], toward=1) is None


@pytest.mark.parametrize("toward", [1, -1])
def test_the_best_order_is_the_best_of_all(toward):
    rng = np.random.default_rng(1)
    segments = rng.normal(size=(5, 3))
    judge = judge_by_cosine(rng.normal(size=3), segments.mean(axis=0))
    every = [np.array(each, float) for each in itertools.permutations(range(5))]
    made = [orders(judge, segments, {"share": values}, toward=toward)[0] for values in every]
    best = best_order(judge, segments, toward=toward)
    assert best.deletion == pytest.approx(min(each.deletion for each in made))
    assert best.insertion == pytest.approx(max(each.insertion for each in made))


def test_a_subset_is_the_mean_of_its_segments():
    judge = judge_by_cosine(ENROLL, SEGMENTS.mean(axis=0))
    subsets = np.array([[True, False, True], [False, True, False]])
    assert evidence_of_subsets(judge, SEGMENTS, subsets, side="test") == pytest.approx([cosine(0, 2), cosine(1)])
