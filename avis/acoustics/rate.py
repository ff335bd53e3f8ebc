"""How fast somebody speaks: syllables by the second of speech.

References
----------
De Jong and Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research
Methods 41, 2009.
"""

import numpy as np
from numpy.typing import NDArray

from avis.acoustics.band import filtered
from avis.acoustics.frames import HOP_S, num_frames
from avis.acoustics.levels import quietest_db

RISE_HZ = (200.0, 400.0)
FALL_HZ = (2300.0, 2700.0)
"""Where vowels are loud, and neither hum nor hissing sounds are."""

SMOOTHING_S = 0.080
"""Length of the window that levels are averaged over: shorter than a syllable, longer than a period."""

DIP_DB = 1.5
"""Between two nuclei the level falls more than this."""

PAUSE_S = 0.3
"""A gap as long as this is a pause; shorter ones are stops between sounds, and speech."""

FLOOR_DB = -120.0


def syllable_rate_hz(samples: NDArray[np.float32], voiced: NDArray[np.intp], *, sample_rate: int) -> float | None:
    """Return the number of syllable nuclei by the second of speech, pauses left out.

    Nuclei are peaks of the level at which there is voice. About four in five syllables have one; those of fast speech
    melt together.

    Parameters
    ----------
    samples : float32 [samples]
        The recording, its peak about at full scale.
    voiced : int [voiced frames]
        Numbers of the frames with voice.
    sample_rate : int
        In Hz, more than 5400.

    Returns
    -------
    float or None
        In Hz; None where there is no frame of voice.
    """
    if not len(voiced):
        return None
    levels_db = vowel_levels_db(samples, sample_rate=sample_rate)
    nuclei = np.intersect1d(level_peaks(levels_db), voiced)
    gaps = np.diff(np.flatnonzero(levels_db >= quietest_db(levels_db)))
    speech_frames = 1 + np.sum(np.where(gaps * HOP_S < PAUSE_S, gaps, 1))
    return float(len(nuclei) / (speech_frames * HOP_S))


def vowel_levels_db(samples: NDArray[np.float32], *, sample_rate: int) -> NDArray[np.float64]:
    """Return the level of the vowels' band around each frame, smoothed, ``[frames]``."""
    vowels = filtered(samples, sample_rate=sample_rate, rise_hz=RISE_HZ, fall_hz=FALL_HZ)
    energy = np.cumsum(np.square(vowels), dtype=np.float64)
    num = num_frames(len(samples), sample_rate)
    ends = np.rint(np.arange(num + 1) * HOP_S * sample_rate).astype(np.intp)
    of_hops = np.diff(np.append(0.0, energy)[ends]) / (HOP_S * sample_rate)
    half = round(SMOOTHING_S / HOP_S / 2.0)
    window = np.hanning(2 * half + 1)
    smooth = np.convolve(of_hops, window / window.sum())[half : half + num]
    return np.asarray(10.0 * np.log10(np.maximum(smooth, 10.0 ** (FLOOR_DB / 10.0))), dtype=np.float64)


def level_peaks(levels_db: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the frames of the peaks between which the level falls and rises by more than `DIP_DB`, ascending.

    Examples
    --------
    >>> level_peaks(np.array([0.0, 5.0, 4.0, 6.0, 2.0, 3.0, 0.0, 2.0]))
    array([3, 7])
    """
    peaks = []
    highest, lowest, rising = 0, 0, True
    for frame, level in enumerate(levels_db):
        if level > levels_db[highest]:
            highest = frame
        if level < levels_db[lowest]:
            lowest = frame
        if rising and level < levels_db[highest] - DIP_DB:
            peaks.append(highest)
            lowest, rising = frame, False
        elif not rising and level > levels_db[lowest] + DIP_DB:
            highest, rising = frame, True
    if rising and len(levels_db):
        peaks.append(highest)
    return np.array(peaks, dtype=np.intp)
