"""The error rate of the scorer of windows beside that of the scorer that decides."""

import numpy as np
import pytest

from avis.explain.faithfulness.maps import side
from avis.explain.faithfulness.windows_scorer import mean_of_windows, windows_error
from avis.explain.windows import windows_matrix
from avis.metrics.bootstrap import Resampling
from avis.metrics.trials import Trials
from tests.avis.conftest import RATE

FEW = Resampling(num_draws=100, confidence=0.95, seed=0)


def test_windows_are_those_of_the_matrix(by_hand, voice):
    sides = side(by_hand, voice(500.0, 1)), side(by_hand, voice(2000.0, 2, duration_s=4.3))
    one, other = (mean_of_windows(by_hand, each.heard[0]) for each in sides)
    matrix = windows_matrix(by_hand, by_hand.backend, sides, factor=1.0)
    assert matrix.total == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-6)


def test_a_short_recording_is_one_window(by_hand, voice):
    heard = side(by_hand, voice(500.0, duration_s=1.5)).heard[0]
    assert mean_of_windows(by_hand, heard) == pytest.approx(heard.embedding)
    assert len(heard.values) == 1.5 * RATE


def test_rates_and_their_difference_are_paired():
    speakers = np.array([(a, b) for a in range(6) for b in range(6) for _ in range(2)])
    target = speakers[:, 0] == speakers[:, 1]
    scores = target + 0.1 * np.random.default_rng(0).normal(size=len(target))
    trials = Trials(scores, target, None, *speakers.T)
    same, worse = windows_error(trials, 2 * scores, FEW), windows_error(trials, -scores, FEW)
    assert (same.eer, same.windows_eer, same.difference_interval) == (0.0, 0.0, (0.0, 0.0))
    assert (worse.eer, worse.windows_eer) == (0.0, 1.0)
    assert worse.difference_interval == (1.0, 1.0)
    assert worse.num_trials == 72
