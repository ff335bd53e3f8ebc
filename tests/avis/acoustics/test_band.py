import numpy as np
import pytest

from avis.acoustics.band import VOICE_RATE_HZ, voice_band


def level_db(samples: np.ndarray) -> float:
    inner = samples[len(samples) // 4 : -len(samples) // 4]
    return float(10.0 * np.log10(np.mean(np.square(inner)) + 1e-20))


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 44100])
@pytest.mark.parametrize(
    ("frequency_hz", "change_db"), [(50.0, -60.0), (60.0, -60.0), (100.0, 0.0), (440.0, 0.0), (3000.0, 0.0)]
)
def test_hum_goes_and_voices_stay(frequency_hz: float, change_db: float, sample_rate: int) -> None:
    tone = np.sin(2.0 * np.pi * frequency_hz * np.arange(2 * sample_rate) / sample_rate).astype(np.float32)
    band = voice_band(tone, sample_rate=sample_rate)
    assert len(band) == pytest.approx(2 * VOICE_RATE_HZ, abs=1)
    if change_db:
        assert level_db(band) < level_db(tone) + change_db
    else:
        assert level_db(band) == pytest.approx(level_db(tone), abs=0.1)
