"""What a training that waits says: the slowest stage where workers are busy, else the way from them."""

import numpy as np
import pytest

from avis.training.waiting import shortage


def test_little_waiting_is_not_worth_a_word():
    assert shortage(0.09, np.array([1.0, 1.0, 1.0]), 1.0, 1) is None


@pytest.mark.parametrize(
    ("seconds", "short", "remedy"),
    [
        ([6.0, 1.0, 1.0], "decode", "sharding.encoding=pcm16"),
        ([1.0, 6.0, 1.0], "augment", "augment.chain"),
        ([1.0, 1.0, 6.0], "features", "features.placement=device"),
    ],
)
def test_busy_workers_lack_their_slowest_stage(seconds: list[float], short: str, remedy: str):
    said = shortage(0.5, np.array(seconds), 4.0, 2)
    assert said is not None
    assert said.startswith(f"waited for data 50% of the time; short: {short} (decode ")
    assert f"{short} 75%" in said
    assert remedy in said


def test_idle_workers_lack_the_way_from_them():
    said = shortage(0.5, np.array([1.0, 1.0, 6.0]), 40.0, 2)
    assert said is not None
    assert "short: transfer" in said
    assert "2 data CPUs busy for 10%" in said


def test_who_makes_examples_in_its_own_process_lacks_workers():
    said = shortage(0.2, np.array([6.0, 1.0, 1.0]), 100.0, 0)
    assert said is not None
    assert "short: decode (decode 75%" in said
    assert "made by the trainer itself). Set compute=local" in said
