from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from avis.audio.audio_error import AudioError
from avis.audio.channels import ChannelChoice, best_channel
from avis.audio.decode import decode

RATE = 8000


def talk(snr_db: float, level: float = 0.3, seed: int = 0) -> np.ndarray:
    """Four seconds of noise that is on half of the time, over steady noise."""
    rng = np.random.default_rng(seed)
    on = np.arange(4 * RATE) % RATE < RATE // 2
    noise = 10.0 ** (-snr_db / 20.0) * rng.standard_normal(4 * RATE)
    return (level * 0.3 * (rng.standard_normal(4 * RATE) * on + noise)).astype(np.float32)


def read(path: Path, channel: ChannelChoice, **kwargs: float) -> np.ndarray:
    return decode(str(path), sample_rate=RATE, min_duration_s=0.1, channel=channel, **kwargs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sf.write(tmp_path / "a.wav", np.stack([talk(10, seed=1), talk(30, 0.1, seed=2)], axis=1), RATE, subtype="FLOAT")
    return tmp_path / "a.wav"


def test_the_mean_the_first_a_number_or_the_cleanest(path: Path) -> None:
    left, right = talk(10, seed=1), talk(30, 0.1, seed=2)
    np.testing.assert_allclose(read(path, "mix"), (left + right) / 2, atol=1e-7)
    np.testing.assert_array_equal(read(path, "first"), left)
    np.testing.assert_array_equal(read(path, 1), left)
    np.testing.assert_array_equal(read(path, 2), right)
    np.testing.assert_array_equal(read(path, "best"), right)
    np.testing.assert_array_equal(read(path, 2, start_s=1.0, end_s=2.0), right[RATE : 2 * RATE])
    np.testing.assert_array_equal(read(path, "best", start_s=1.0, end_s=3.0), right[RATE : 3 * RATE])


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(path: Path, channel: int) -> None:
    with pytest.raises(AudioError, match=f"got channel={channel}, expected 1 to 2") as caught:
        read(path, channel)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("channel", ["mix", "first", "best", 1])
def test_one_channel_is_what_it_is(tmp_path: Path, channel: ChannelChoice) -> None:
    sf.write(tmp_path / "a.wav", talk(20), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "a.wav", channel), talk(20))


def test_a_dead_channel_is_never_the_best(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 4 * RATE).astype(np.float32)
    for other in (talk(5), noise):
        found = best_channel(np.stack([np.zeros_like(other), other], axis=1), sample_rate=RATE)
        np.testing.assert_array_equal(found, other)
    same = np.stack([noise, noise], axis=1)
    np.testing.assert_array_equal(best_channel(same, sample_rate=RATE), noise)


def test_what_is_bad_in_a_channel_that_is_not_heard_does_no_harm(tmp_path: Path) -> None:
    bad = np.full(4 * RATE, np.nan, np.float32)
    sf.write(tmp_path / "a.wav", np.stack([talk(20), bad], axis=1), RATE, subtype="FLOAT")
    assert len(read(tmp_path / "a.wav", "first")) == 4 * RATE
    for channel in ("mix", "best", 2):
        with pytest.raises(AudioError, match="non_finite"):
            read(tmp_path / "a.wav", channel)  # type: ignore[arg-type]
    sf.write(tmp_path / "b.wav", np.stack([talk(20), np.zeros(4 * RATE, np.float32)], axis=1), RATE)
    with pytest.raises(AudioError, match="silent"):
        read(tmp_path / "b.wav", 2)
    assert len(read(tmp_path / "b.wav", "best")) == 4 * RATE
