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


def test_audio_suffixes_do_not_count_where_one_side_lacks_them():
    scores = pa.table({"enroll": ["id1/a/1", "id2/b/1"], "test": ["id2/c/2", "id1/a/2"]})
    listed = pa.table({"enroll": ["id2/b/1.wav", "id1/a/1.WAV"], "test": ["id1/a/2.wav", "id2/c/2.flac"]})
    assert matching_rows(scores, listed, "list").tolist() == [1, 0]
    assert matching_rows(listed, scores, "list").tolist() == [1, 0]
    same_stem = pa.table({"enroll": ["a.wav", "a.flac"], "test": ["x", "x"]})
    assert matching_rows(same_stem, same_stem.take([1, 0]), "x").tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"got 1 trials in both, expected all of 2 and 2"):
        matching_rows(scores, listed.set_column(0, "enroll", pa.array(["id3.wav", "id1/a/1.wav"])), "list")
