import numpy as np
import pytest

from avis.acoustics.frames import FRAMES_AT_ONCE, centred_frames, num_frames


@pytest.mark.parametrize(
    ("num_samples", "sample_rate", "expected"),
    [(0, 8000, 0), (79, 8000, 0), (80, 8000, 1), (16000, 16000, 100), (44100, 44100, 100), (10500, 10500, 100)],
)
def test_a_frame_for_each_whole_hop(num_samples: int, sample_rate: int, expected: int) -> None:
    assert num_frames(num_samples, sample_rate) == expected


@pytest.mark.parametrize("window_s", [0.004, 0.032, 0.050])
@pytest.mark.parametrize("sample_rate", [8000, 10500, 16000])
def test_frames_of_any_window_are_centred_on_the_same_times(window_s: float, sample_rate: int) -> None:
    seconds = (np.arange(2 * sample_rate) / sample_rate).astype(np.float32)
    which = np.array([5, 50, 150])
    [frames] = centred_frames(seconds, which, sample_rate=sample_rate, window_s=window_s)
    assert frames.shape == (3, round(window_s * sample_rate))
    np.testing.assert_allclose(frames.mean(axis=1), (which + 0.5) * 0.010, atol=1.01 / sample_rate)


def test_beyond_the_ends_is_silence() -> None:
    [frames] = centred_frames(np.ones(160, np.float32), np.array([0, 1]), sample_rate=8000, window_s=0.050)
    assert frames.sum(axis=1).tolist() == [160.0, 160.0]
    assert (frames[0, :160] == 0.0).all()
    assert (frames[1, -160:] == 0.0).all()


def test_many_frames_come_some_at_a_time_and_are_copies() -> None:
    samples = np.zeros(8000 * 3, np.float32)
    parts = list(centred_frames(samples, np.arange(300), sample_rate=8000, window_s=0.010))
    assert [len(part) for part in parts] == [FRAMES_AT_ONCE, 300 - FRAMES_AT_ONCE]
    parts[0][:] = 1.0
    assert not samples.any()
