"""Recordings are cut into a few stretches, where they are quietest."""

import numpy as np
import pytest

from avis.explain.segments import MOST_SEGMENTS, cut

RATE = 16000


def test_cuts_move_to_the_quietest_place_nearby():
    samples = np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32)
    samples[round(1.1 * RATE) : round(1.2 * RATE)] *= 1e-3
    samples[round(1.45 * RATE) : round(1.55 * RATE)] = 0.0  # quieter, but too far from both cuts
    edges = cut(samples, sample_rate=RATE)
    assert len(edges) == 4
    assert 1.1 * RATE < edges[1] < 1.2 * RATE


def test_in_steady_sound_the_stretches_are_of_one_length():
    edges = cut(np.ones(4 * RATE, np.float32), sample_rate=RATE)
    np.testing.assert_allclose(edges / RATE, [0, 1, 2, 3, 4], atol=0.01)


@pytest.mark.parametrize(("duration_s", "num"), [(0.3, 1), (1.4, 1), (1.6, 2), (12.0, 12), (600.0, MOST_SEGMENTS)])
def test_there_are_as_many_stretches_as_seconds_up_to_a_dozen(duration_s, num):
    samples = np.random.default_rng(0).normal(size=round(duration_s * RATE)).astype(np.float32)
    edges = cut(samples, sample_rate=RATE)
    assert len(edges) == num + 1
    assert edges[0] == 0
    assert edges[-1] == len(samples)
    assert (np.diff(edges) > 0).all()
