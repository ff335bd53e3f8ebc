import numpy as np
import pytest

from avis.acoustics.band import VOICE_RATE_HZ
from avis.acoustics.harmonicity import harmonics_to_noise_db
from avis.acoustics.pitch import track_pitch
from tests.avis.acoustics.voices import melody, noise, pulses


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("f0_hz", [110.0, 150.0, 300.0])
def test_a_tone_in_white_noise_has_the_ratio_that_it_was_mixed_at(f0_hz: float, snr_db: float) -> None:
    tone = np.sqrt(2.0) * np.sin(2.0 * np.pi * f0_hz * np.arange(5 * VOICE_RATE_HZ) / VOICE_RATE_HZ)
    mix = tone + 10.0 ** (-snr_db / 20.0) * noise(0, 5.0, sample_rate=VOICE_RATE_HZ)
    found = track_pitch((0.1 * mix).astype(np.float32), sample_rate=VOICE_RATE_HZ)
    ratios_db = harmonics_to_noise_db(found.strength[found.voiced])
    assert np.median(ratios_db) == pytest.approx(snr_db, abs=1.0)


def test_without_noise_the_ratio_is_high() -> None:
    rate = VOICE_RATE_HZ
    for wave in (np.sin(2.0 * np.pi * 123.4 * np.arange(rate) / rate), pulses(np.full(rate, 123.4), sample_rate=rate)):
        found = track_pitch((0.01 * wave).astype(np.float32), sample_rate=rate)
        assert np.nanmedian(harmonics_to_noise_db(found.strength)) > 30.0


def test_a_glide_counts_as_noise_and_less_than_breath_does() -> None:
    rate = VOICE_RATE_HZ
    glide = pulses(melody(120.0, 3.0, semitones=2.0, sample_rate=rate), sample_rate=rate)
    glide /= glide.std()
    breath = glide + 0.3 * noise(0, 3.0, sample_rate=rate)
    clean, breathy = (
        np.nanmedian(harmonics_to_noise_db(track_pitch(wave.astype(np.float32), sample_rate=rate).strength))
        for wave in (glide, breath)
    )
    assert breathy < clean < 40.0
