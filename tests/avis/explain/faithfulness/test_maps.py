"""Maps of the evidence along a recording, and how alike two are."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from avis.explain.explain import explain
from avis.explain.faithfulness.maps import Map, agreement, judge_of, map_of, side, spearman
from tests.avis.conftest import RATE, talk


def a_map(*llr: float, first_s: float = 0.0) -> Map:
    return Map(middle_s=first_s + np.arange(len(llr)), llr=np.array(llr))


def test_ranks_correlate_as_in_scipy():
    rng = np.random.default_rng(0)
    one, other = rng.integers(5, size=50).astype(float), rng.normal(size=50)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert spearman(np.ones(50), other) == 0.0


def test_maps_are_compared_where_both_are():
    rising = a_map(0, 1, 2, 3, 9)
    assert agreement(rising, a_map(1, 2, 3, 0, first_s=1)) == pytest.approx(
        spearman(rising.llr[1:], np.array([1.0, 2, 3, 0]))
    )
    assert agreement(rising, a_map(0, 1, 2, 3, first_s=0.5)) == pytest.approx(1.0)


def test_smoothing_takes_the_mean_around():
    made = a_map(0, 3, 6, 0)
    assert made.smoothed(0.0).llr.tolist() == made.llr.tolist()
    assert made.smoothed(100.0).llr.tolist() == [2.25] * 4


def test_a_map_adds_up_to_the_shares_of_its_segments(parts):
    from avis.verifier import Verifier

    verifier, given = Verifier(parts), [(talk(seed), RATE) for seed in (1, 2)]
    sides = side(verifier, given[0]), side(verifier, given[1])
    explanation = explain(verifier, *given, checks=False)
    of_test = [each for each in explanation.segments if each.side == "test"]
    found = map_of(verifier, *sides)
    assert found.llr.sum() == pytest.approx(sum(each.llr for each in of_test))
    first = of_test[0]
    assert found.llr[found.within(first.start_s, first.end_s)].sum() == pytest.approx(first.llr)
    assert judge_of(verifier, sides).as_it_was() == pytest.approx(verifier.verify(*given).llr, abs=1e-4)


def test_there_is_no_map_of_a_voiceprint_or_of_silence(by_hand, voice):
    heard = side(by_hand, voice(500.0))
    assert map_of(by_hand, heard, side(by_hand, by_hand.embed(voice(500.0)))) is None
    assert map_of(by_hand, heard, side(by_hand, (np.zeros(RATE, np.float32), RATE))) is None
    assert map_of(by_hand, side(by_hand, (np.zeros(RATE, np.float32), RATE)), heard) is None
    assert map_of(by_hand, side(by_hand, by_hand.embed(voice(500.0))), heard) is not None
