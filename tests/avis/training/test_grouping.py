"""Groups of one speaker: exact counts, different utterances where there are, all drawn by what they are."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from avis.training.grouping import in_groups, speaker_groups


def speakers_of(seed: int, num: int, *, num_speakers: int) -> list[str]:
    return [f"s{i}" for i in np.random.default_rng(seed).zipf(1.5, size=num) % num_speakers]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("num_speakers", [1, 7, 1000])
def test_as_many_positions_as_given_in_groups_of_one_speaker(size: int, num_speakers: int):
    for seed in range(20):
        speakers = speakers_of(seed, 30, num_speakers=num_speakers)
        groups = speaker_groups(speakers, size)
        assert sum(map(len, groups)) == 30
        counts = Counter(speakers)
        for group in groups:
            (speaker,) = {speakers[position] for position in group}
            assert len(group) == size
            assert len(set(group)) == min(size, counts[speaker])


def test_every_full_group_is_kept_and_each_utterance_leads_once():
    speakers = speakers_of(3, 60, num_speakers=9)
    groups = speaker_groups(speakers, 3)
    met = Counter(position for group in groups for position in group)
    for speaker, count in Counter(speakers).items():
        assert sum(speakers[group[0]] == speaker for group in groups) >= count // 3
    assert len({group[0] for group in groups}) == len(groups)
    assert max(met.values()) <= 3


def test_rounds_keep_a_speaker_s_groups_apart():
    groups = speaker_groups(["a"] * 4 + ["b"] * 4 + ["c"] * 4, 2)
    assert groups == [[0, 1], [4, 5], [8, 9], [2, 3], [6, 7], [10, 11]]


def test_repeated_rows_draw_anew_and_a_group_draws_one_speed():
    rows = pa.table({"utt_id": [f"u{i}" for i in range(6)], "speaker": list("aaabcc")})
    made = in_groups(rows, 2)
    assert made["utt_id"].to_pylist() == ["u0", "u1", "u4", "u5", "u2", "u0"]
    assert made["drawn_by"].to_pylist() == ["u0", "u1", "u4", "u5", "u2", "u0 again 1"]
    assert made["speed_drawn_by"].to_pylist() == ["u0", "u0", "u4", "u4", "u2", "u2"]


def test_one_at_a_time_changes_nothing():
    rows = pa.table({"utt_id": ["u0", "u1"], "speaker": ["b", "a"]})
    assert in_groups(rows, 1) == rows
