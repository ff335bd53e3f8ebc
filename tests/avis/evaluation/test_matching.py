"""Trials of one list are found in another by their two sides."""

import pyarrow as pa
import pytest

from avis.evaluation.matching import matching_rows


def test_repeated_trials_are_matched_in_their_order():
    ours = pa.table({"enroll": ["a", "b", "a", "a"], "test": ["x", "x", "x", "y"]})
    theirs = pa.table({"enroll": ["a", "a", "a", "b"], "test": ["y", "x", "x", "x"]})
    assert matching_rows(ours, theirs, "there").tolist() == [1, 3, 2, 0]
    with pytest.raises(ValueError, match=r"got 3 trials in both, expected all of 4 and 4\. At there\."):
        matching_rows(ours, theirs.take([0, 1, 3, 3]), "there")


def test_sides_are_matched_however_they_are_written():
    ours = pa.table({"enroll": ["Zoe\u0308/1", "7.0", "NA "], "test": ["x", "8", "\u200by"]})
    theirs = pa.table({"enroll": ["NA", "Zo\u00eb/1 ", "7"], "test": ["y", "x", "8"]})
    assert matching_rows(ours, theirs, "theirs").tolist() == [1, 2, 0]
    plain = pa.table({"enroll": ours["enroll"], "test": ["x", "8", "y"]})
    assert matching_rows(theirs, plain, "x").tolist() == [2, 0, 1]
