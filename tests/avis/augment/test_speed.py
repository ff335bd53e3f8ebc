import numpy as np
import pytest

from avis.augment.speed import change_speed


@pytest.mark.few(2)
@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("hz", [200.0, 3000.0])
def test_a_tone_is_shorter_and_higher_by_the_factor(factor, hz):
    tone = np.sin(2 * np.pi * hz * np.arange(32000) / 16000).astype(np.float32)
    result = change_speed(tone, factor)
    assert result.dtype == np.float32
    assert len(result) == round(32000 / factor)
    expected = np.sin(2 * np.pi * hz * factor * np.arange(len(result)) / 16000)
    assert result[500:-500] == pytest.approx(expected[500:-500], abs=1e-3)


def test_faster_speech_does_not_alias():
    tone = np.sin(2 * np.pi * 7700 * np.arange(32000) / 16000).astype(np.float32)
    assert np.abs(change_speed(tone, 1.1)[500:-500]).max() < 0.01


def test_silence_stays_silence():
    assert not change_speed(np.zeros(1000, np.float32), 1.1).any()


def test_a_speed_is_positive():
    with pytest.raises(ValueError, match="factor=0"):
        change_speed(np.zeros(10, np.float32), 0)
