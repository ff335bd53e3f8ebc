"""Clips are the stretches that speak most, as they sound in the recording."""

import io

import numpy as np
import pytest
import soundfile as sf

from avis.explain.listen import clips, write_clips
from avis.explain.record import Explanation, Segment, Side

RATE = 8000


def explained(*segments: Segment) -> Explanation:
    sides = [Side(side=side, name="", sha256="", duration_s=10, speech_s=10, quality={}) for side in ("enroll", "test")]
    return Explanation(model="", outcome="match", threshold=0, unit="llr", sides=sides, segments=list(segments))


def segment(start_s: float, llr: float | None, side="test", recording=0, **kwargs) -> Segment:
    return Segment(side=side, recording=recording, start_s=start_s, end_s=start_s + 1, llr=llr, **kwargs)


@pytest.fixture
def recordings():
    values = np.arange(10 * RATE).astype(np.int16)
    return {("enroll", 0): (values, RATE), ("enroll", 1): (-values, RATE), ("test", 0): (values // 2, RATE)}


def test_the_most_come_first_for_and_against(recordings):
    told = explained(
        segment(0, 0.5),
        segment(3.24, 2.0),
        segment(1, -1.0, "enroll"),
        segment(2, 1.0, "enroll", 1),
        segment(5, 0.7, "enroll"),
        segment(6, -3.0),
        segment(7, 0.0),
    )
    found = clips(told, recordings)
    assert [each.name for each in found] == [
        "test-0-for-1-3.2s.wav",
        "enroll-1-for-2-2.0s.wav",
        "enroll-0-for-3-5.0s.wav",
        "test-0-against-1-6.0s.wav",
        "enroll-0-against-2-1.0s.wav",
    ]
    assert [each.segment.llr for each in found] == [2.0, 1.0, 0.7, -3.0, -1.0]


def test_a_clip_sounds_as_the_recording_but_for_its_ends(recordings):
    (clip,) = clips(explained(segment(2, 1.0, "enroll", 1)), recordings)
    assert sf.info(io.BytesIO(clip.audio)).subtype == "PCM_16"
    values, rate = sf.read(io.BytesIO(clip.audio), dtype="int16")
    assert (rate, len(values)) == (RATE, RATE)
    expected = recordings["enroll", 1][0][2 * RATE : 3 * RATE]
    fade = round(0.03 * RATE)
    assert np.array_equal(values[fade:-fade], expected[fade:-fade])
    assert values[:fade] == pytest.approx(expected[:fade] * (np.arange(fade) + 0.5) / fade, abs=1)
    assert values[-fade:] == pytest.approx(expected[-fade:] * (np.arange(fade)[::-1] + 0.5) / fade, abs=1)


def test_where_a_model_has_no_shares_shapley_values_tell(recordings):
    told = explained(segment(0, None, shapley=0.5), segment(1, None, shapley=1.5), segment(2, None))
    assert [each.name for each in clips(told, recordings)] == ["test-0-for-1-1.0s.wav", "test-0-for-2-0.0s.wav"]


def test_what_is_not_at_hand_as_audio_is_left_out(recordings):
    told = explained(segment(0, 1.0, "enroll"), segment(0, 0.5))
    assert [each.name for each in clips(told, {("test", 0): recordings["test", 0]})] == ["test-0-for-1-0.0s.wav"]


def test_clips_are_written_as_files(recordings, tmp_path):
    found = clips(explained(segment(0, 1.0), segment(1, -1.0)), recordings)
    paths = write_clips(str(tmp_path / "clips"), found)
    assert [sf.read(path)[1] for path in paths] == [RATE, RATE]
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == sorted(each.name for each in found)
