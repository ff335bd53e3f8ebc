import numpy as np
import pytest

from avis.metrics.trials import Trials
from avis.reports.worst_trials import worst_of_chunks, worst_trials


def test_the_worst_are_those_of_a_full_sort() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(500) < 0.3
    scores = rng.normal(size=500).round(1)
    found = worst_trials(Trials(scores, target), num=20)
    order = sorted(range(500), key=lambda index: (scores[index], index))
    assert found.targets == [index for index in order if target[index]][:20]
    order = sorted(range(500), key=lambda index: (-scores[index], index))
    assert found.nontargets == [index for index in order if not target[index]][:20]


def test_short_lists_are_given_whole() -> None:
    found = worst_trials(Trials(np.array([0.0, 1.0, 2.0]), np.array([True, False, False])))
    assert found == ([2, 1], [0])


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_list_in_chunks_has_the_same_worst_trials(size: int) -> None:
    rng = np.random.default_rng(0)
    scores, target = rng.integers(0, 9, 100).astype(np.float32), rng.random(100) < 0.3
    chunks = [(scores[at : at + size], target[at : at + size]) for at in range(0, 100, size)]
    assert worst_of_chunks(lambda: chunks, num=12) == worst_trials(Trials(scores, target), num=12)
