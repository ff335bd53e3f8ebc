import numpy as np
import pytest

from avis.metrics.identification import closed_set_accuracy, open_set_rate

SCORES = np.array(
    [
        [0.9, 0.2, 0.1, 0.3],  # a: right
        [0.5, 0.4, 0.6, 0.1],  # b: third of a, b, c (gallery a b c a)
        [0.3, 0.7, 0.7, 0.1],  # c: level with b
        [0.1, 0.2, 0.3, 0.8],  # a, by the second enrolment
    ]
)
PROBE, GALLERY = ["a", "b", "c", "a"], ["a", "b", "c", "a"]


@pytest.mark.parametrize(("rank", "expected"), [(1, 0.5), (2, 0.75), (3, 1.0), (9, 1.0)])
def test_closed_set_by_hand(rank: int, expected: float) -> None:
    assert closed_set_accuracy(SCORES, PROBE, GALLERY, rank=rank) == expected
    columns, rows = np.array([3, 1, 0, 2]), np.array([2, 0, 3, 1])
    shuffled = SCORES[np.ix_(rows, columns)]
    assert closed_set_accuracy(shuffled, np.array(PROBE)[rows], np.array(GALLERY)[columns], rank=rank) == expected


def test_scores_that_say_nothing_identify_nobody() -> None:
    assert closed_set_accuracy(np.zeros((3, 3)), [0, 1, 2], [0, 1, 2]) == 0.0


@pytest.mark.parametrize(
    ("allowed", "rate", "found"),
    [(0.0, 1 / 3, 0.0), (0.5, 2 / 3, 0.5), (1.0, 2 / 3, 1.0), (0.99, 2 / 3, 0.5)],
)
def test_open_set_by_hand(allowed: float, rate: float, found: float) -> None:
    scores = [[0.9, 0.2], [0.5, 0.6], [0.7, 0.3], [0.3, 0.8], [0.1, 0.4]]
    result = open_set_rate(scores, ["a", "b", "b", "x", "y"], ["a", "b"], false_alarm_rate=allowed)
    assert result.false_alarm_rate == found
    assert result.rate == pytest.approx(rate)
    top = np.max(scores, axis=1)
    assert np.mean(top[3:] >= result.threshold) == found


def test_open_set_with_all_alarms_allowed_is_closed_set() -> None:
    rng = np.random.default_rng(0)
    scores, gallery = rng.normal(size=(60, 10)), np.arange(10)
    probe = rng.integers(0, 15, 60)
    scores[probe < 10, probe[probe < 10]] += 1.0
    mated = probe < 10
    for rank in (1, 3):
        expected = closed_set_accuracy(scores[mated], probe[mated], gallery, rank=rank)
        assert open_set_rate(scores, probe, gallery, false_alarm_rate=1.0, rank=rank).rate == expected


@pytest.mark.parametrize(
    ("scores", "probe", "gallery", "rank", "message"),
    [
        ([[1.0]], ["x"], ["a"], 1, "At x"),
        ([[1.0, 2.0]], ["a"], ["a"], 1, r"scores=\[1, 2\]"),
        ([[np.nan]], ["a"], ["a"], 1, "probe index 0"),
        ([[1.0]], ["a"], ["a"], 0, "rank=0"),
    ],
)
def test_what_cannot_be_identified(scores: list, probe: list, gallery: list, rank: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        closed_set_accuracy(scores, probe, gallery, rank=rank)


def test_an_open_set_has_strangers() -> None:
    with pytest.raises(ValueError, match="strangers"):
        open_set_rate([[1.0]], ["a"], ["a"], false_alarm_rate=0.1)
    with pytest.raises(ValueError, match="false_alarm_rate=2"):
        open_set_rate([[1.0]], ["a"], ["a"], false_alarm_rate=2)
