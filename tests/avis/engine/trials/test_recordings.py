"""Recordings of a store: found by their ids in whatever part, each row group read once."""

import io

import numpy as np
import pytest
import soundfile as sf

from avis import store
from avis.audio.codec import encode, read_all
from avis.engine.trials import recordings
from avis.engine.trials.recordings import as_flac, as_taken_in, find_recordings, read_recordings


def test_recordings_are_found_and_read_as_they_lie_in_the_store(tiny_store: str):
    rows = {row["utt_id"]: row for row in store.read_table(tiny_store, "utterances").to_pylist()}
    wanted = sorted(rows)[::3]
    places = find_recordings(tiny_store, {*wanted, "nobody/0"})
    assert sorted(places) == wanted
    for name, row in read_recordings(places).items():
        assert {key: rows[name][key] for key in row} == row


def test_a_row_group_is_read_once(tiny_store: str, monkeypatch: pytest.MonkeyPatch):
    read, reading = [], store.read_row_group
    monkeypatch.setattr(
        recordings.store, "read_row_group", lambda part, *where: read.append(where[:2]) or reading(part, *where)
    )
    ids = store.read_table(tiny_store, "utterances", columns=["utt_id"])["utt_id"].to_pylist()
    assert len(read_recordings(find_recordings(tiny_store, ids))) == len(ids)
    assert len(read) == len(set(read)) < len(ids)


@pytest.mark.parametrize("encoding", ["flac", "pcm16"])
def test_a_stored_utterance_is_a_recording_and_a_file(encoding):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 800).astype(np.float32)
    audio = encode(samples, sample_rate=8000, encoding=encoding)
    row = {"audio": audio, "num_samples": 800, "sample_rate": 8000, **dict.fromkeys(recordings.QUALITY)}
    taken = as_taken_in(row)
    np.testing.assert_array_equal(taken.values / 32768, read_all(audio))
    assert taken.kept.tolist() == [[0, 800]]
    values, rate = sf.read(io.BytesIO(as_flac(row)), dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(values, taken.values)
