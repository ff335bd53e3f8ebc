"""Measure what can be heard in a voice: pitch, resonances, tilt, breath and tempo.

Jitter and shimmer, the differences from one period to the next, are not among them: they are defined on a vowel that is
held, in silence, before a good microphone. In running speech melody and stress are a multiple of them, and noise, rooms
and codecs more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.acoustics.band import VOICE_RATE_HZ, voice_band
from avis.acoustics.formants import formant_medians_hz
from avis.acoustics.frames import HOP_S
from avis.acoustics.harmonicity import harmonics_to_noise_db
from avis.acoustics.pitch import track_pitch
from avis.acoustics.rate import syllable_rate_hz
from avis.acoustics.spectrum import long_term_spectrum
from avis.acoustics.tilt import tilt_db_per_octave

MIN_VOICED_S = 0.5
"""With less voice the values are those of a few sounds rather than of a speaker."""

MIN_MELODY_SEMITONES = 0.1
"""No voice holds its pitch like this; hum, whistles and tones do."""


class Attribute(NamedTuple):
    """One thing that can be heard.

    Attributes
    ----------
    unit : str
        Of the value.
    words : str
        What it is, as a noun phrase.
    logarithmic : bool
        Whether equal ratios count as equal differences: then statistics are of twelve times the binary logarithm,
        which for frequencies is semitones (above 1 Hz).
    """

    unit: str
    words: str
    logarithmic: bool = False


ATTRIBUTES = {
    "f0_median_hz": Attribute("Hz", "median pitch", logarithmic=True),
    "f0_iqr_semitones": Attribute("semitones", "range of pitch (between its quartiles)", logarithmic=True),
    "f1_hz": Attribute("Hz", "first formant (median)", logarithmic=True),
    "f2_hz": Attribute("Hz", "second formant (median)", logarithmic=True),
    "f3_hz": Attribute("Hz", "third formant (median)", logarithmic=True),
    "f4_hz": Attribute("Hz", "fourth formant (median)", logarithmic=True),
    "tilt_db_per_octave": Attribute("dB per octave", "tilt of the spectrum, 300 to 3400 Hz"),
    "hnr_db": Attribute("dB", "harmonics-to-noise ratio (median), up to 4 kHz"),
    "syllable_rate_hz": Attribute("syllables per second", "tempo of speech without pauses"),
}
"""By name, in the order of columns of numbers; see `avis.acoustics.population`."""


def measure(samples: NDArray[np.float32], *, sample_rate: int) -> dict[str, float | None]:
    """Measure all attributes of a recording.

    What they say of the speaker is limited: noise lowers the harmonics-to-noise ratio, the microphone tilts the
    spectrum, the words shift F1 and F2, and a mood moves the pitch.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, finite, of any level and length.
    sample_rate : int
        In Hz, at least 8000.

    Returns
    -------
    dict
        A value, or None, for each name of `ATTRIBUTES`. All are None where there is less than 0.5 s of voice, F4 where
        nothing above 4 kHz was recorded, and a formant that is in less than half of the frames of voice.

    Raises
    ------
    ValueError
        If the sample rate is too low.
    """
    if sample_rate < VOICE_RATE_HZ:
        raise ValueError(
            f"Formants need their band: got sample_rate={sample_rate} Hz, expected at least {VOICE_RATE_HZ}. "
            "Record or decode at 8000 Hz or more."
        )
    nothing: dict[str, float | None] = dict.fromkeys(ATTRIBUTES)
    peak = np.max(np.abs(samples), initial=0.0)
    if not peak > 0.0:
        return nothing
    samples = samples / peak
    samples -= samples.mean()
    narrow = voice_band(samples, sample_rate=sample_rate)
    contour = track_pitch(narrow, sample_rate=VOICE_RATE_HZ)
    voiced = contour.voiced
    if len(voiced) * HOP_S < MIN_VOICED_S:
        return nothing
    low, median, high = 12.0 * np.log2(np.percentile(contour.f0_hz[voiced], [25.0, 50.0, 75.0]))
    if high - low < MIN_MELODY_SEMITONES:
        return nothing
    values = [
        2.0 ** (median / 12.0),
        high - low,
        *formant_medians_hz(samples, voiced, sample_rate=sample_rate),
        tilt_db_per_octave(long_term_spectrum(narrow, voiced, sample_rate=VOICE_RATE_HZ)),
        np.median(harmonics_to_noise_db(contour.strength[voiced])),
        syllable_rate_hz(narrow, voiced, sample_rate=VOICE_RATE_HZ),
    ]
    return {name: _known(value) for name, value in zip(ATTRIBUTES, values, strict=True)}


def _known(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
