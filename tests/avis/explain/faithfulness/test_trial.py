"""All orders of one trial."""

import numpy as np
import pytest

from avis.explain.explain import explain
from avis.explain.faithfulness.maps import judge_of, side
from avis.explain.faithfulness.trial import orders_of_trial
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


def orders_by(verifier: Verifier, enroll, test, threshold: float = 0.0) -> dict:
    explanation = explain(verifier, enroll, test, checks=False)
    sides = side(verifier, enroll), side(verifier, test)
    made = orders_of_trial(
        verifier,
        judge_of(verifier, sides),
        sides[1],
        segments=explanation.segments,
        windows=explanation.windows,
        threshold=threshold,
    )
    return {order.by: order for order in made}


@pytest.mark.parametrize("threshold", [-100.0, 100.0])
def test_shares_are_the_best_order_where_the_map_is_known(by_hand, voice, threshold):
    mixed = np.concatenate(
        [voice(hz, 2 + hz, 1.0)[0] * gain for hz, gain in ((500, 1), (2000, 0.8), (500, 0.3), (2000, 2))]
    )
    found = orders_by(by_hand, voice(500.0, 1), (mixed, RATE), threshold)
    assert list(found) == ["share", "energy", "speech", "random", "best"]
    assert found["share"].deletion == pytest.approx(found["best"].deletion, abs=0.3 * abs(found["best"].deletion))
    assert found["share"].deletion < found["random"].deletion - found["random"].deletion_sd
    assert found["share"].insertion > found["random"].insertion + found["random"].insertion_sd


def test_nothing_bounds_an_order_but_the_best(parts):
    found = orders_by(Verifier(parts), (talk(1), RATE), (talk(2, duration_s=5.0), RATE))
    best = found.pop("best")
    assert all(best.deletion <= order.deletion + 1e-9 for order in found.values())
    assert all(best.insertion >= order.insertion - 1e-9 for order in found.values())


def test_a_voiceprint_has_no_segments(by_hand, voice):
    assert orders_by(by_hand, voice(500.0, 1), by_hand.embed(voice(500.0, 2))) == {}
