"""What nothing can be learnt from, or validated on, is refused."""

import numpy as np
import pyarrow as pa
import pytest

from avis.training.learnable import check_held_out, check_trained_on


def column(*speakers: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(speakers, pa.string())])


def test_two_speakers_are_trained_on():
    check_trained_on(column("a", "a", "b"), np.array([1.0, 2.0, 3.0]), 3.0)
    check_trained_on(column("a", "b"), np.array([1.0, 0.7]), [0.6, 3.0])  # short crops there are


@pytest.mark.parametrize("crop_s", [3.1, [3.1, 4.0]])
def test_crops_that_no_utterance_fills(crop_s: float | list[float]):
    with pytest.raises(ValueError, match=r"got crop_s=.* expected at most 3\.00 s.* At trainer\.crop_s"):
        check_trained_on(column("a", "b"), np.array([1.0, 3.0]), crop_s)


def test_one_speaker_is_not_trained_on():
    with pytest.raises(ValueError, match=r"got 1 training speakers, expected at least 2\. At a;"):
        check_trained_on(column("a", "a"), np.array([1.0, 2.0]), 1.0)


def test_the_smallest_validation():
    check_held_out(column("a", "a", "b"), 3)


@pytest.mark.parametrize(
    ("speakers", "num_workers"), [("aa", 1), ("ab", 1), ("", 1), ("aab", 4)], ids=["no other", "no pair", "none", "few"]
)
def test_nothing_to_validate_on(speakers: str, num_workers: int):
    with pytest.raises(ValueError, match=r"nothing to validate on: got .* At sharding\.num_validation_speakers"):
        check_held_out(column(*speakers), num_workers)
