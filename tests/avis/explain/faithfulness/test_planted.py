"""Planted voices and nuisances, heard by a model whose map is known."""

import numpy as np
import pytest

from avis.explain.faithfulness.maps import side
from avis.explain.faithfulness.planted import located, plant, replaced, splice
from tests.avis.conftest import RATE
from tests.avis.explain.faithfulness.conftest import HIGH_HZ, LOW_HZ


def test_a_planted_voice_is_found_and_the_map_turns_over_with_the_enrolment(by_hand, voice):
    enrolments = side(by_hand, voice(LOW_HZ, 1)), side(by_hand, voice(HIGH_HZ, 2))
    planted = plant(by_hand, enrolments, (voice(LOW_HZ, 3), voice(HIGH_HZ, 4)))
    found = located(planted)
    assert found.auc > 0.99  # but for the frames of the cross-fades
    assert found.auc_of_other > 0.99
    assert found.rho < 0
    assert located(planted.smoothed(0.1)).auc > 0.97


def test_a_map_with_its_sign_turned_is_found_out(by_hand, voice):
    enrolments = side(by_hand, voice(LOW_HZ, 1)), side(by_hand, voice(HIGH_HZ, 2))
    planted = plant(by_hand, enrolments[::-1], (voice(LOW_HZ, 3), voice(HIGH_HZ, 4)))
    assert located(planted).auc < 0.01
    assert located(planted).auc_of_other < 0.01


def test_a_map_that_hears_no_difference_is_found_out(by_hand, voice):
    enrolments = side(by_hand, voice(LOW_HZ, 1)), side(by_hand, voice(LOW_HZ, 2))
    assert located(plant(by_hand, enrolments, (voice(LOW_HZ, 3), voice(LOW_HZ, 4)))).rho == pytest.approx(1.0)


@pytest.mark.parametrize(("kind", "heard"), [("silence", 0.0), ("noise", 1 / 8), ("tone", 1 / 6)])
def test_what_says_nothing_has_the_share_of_its_power_below_1_khz(by_hand, voice, kind, heard):
    found = replaced(by_hand, side(by_hand, voice(LOW_HZ, 1)), side(by_hand, voice(LOW_HZ, 2)), kind)
    assert found.speech > 0.2
    assert found.nuisance == pytest.approx(heard * found.speech, abs=0.1 * found.speech)


def test_a_short_recording_has_no_second_to_replace(by_hand, voice):
    enroll, test = side(by_hand, voice(LOW_HZ, 1)), side(by_hand, voice(LOW_HZ, 2, duration_s=2.5))
    assert replaced(by_hand, enroll, test, "silence") is None


def test_a_splice_is_level_with_what_it_is_put_into_and_fades():
    one, other = np.full(RATE, 0.5, np.float32), np.full(RATE, 0.1, np.float32)
    made = splice(one, other, sample_rate=RATE)
    assert made.samples == pytest.approx(0.5, abs=1e-6)
    assert (made.start, made.end) == (RATE // 2 - 160, RATE - 480)
    silent = splice(one, np.zeros(RATE // 4, np.float32), sample_rate=RATE).samples
    assert silent[RATE // 2 - 320 : RATE // 2] == pytest.approx(0.5 * (1 - np.linspace(0, 1, 320)), abs=1e-6)
    assert len(silent) == RATE + RATE // 4 - 640
