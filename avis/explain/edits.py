"""Take something out of a recording in sound, so that every kind of front end hears it taken out.

All edits are of int16 values as a model hears them, and leave what they do not mean to change as it was, to the sample.
"""

import math

import numpy as np
from numpy.typing import NDArray

from avis.audio.codec import FULL_SCALE
from avis.explain.spectra import analyse, bins_hz, synthesise

FADE_S = 0.005
"""Where two sounds meet, one fades into the other: a click would be heard as something said."""
DITHER_SEED = 17


def splice(values: NDArray[np.int16], *, start: int, end: int, sample_rate: int) -> NDArray[np.int16]:
    """Cut a stretch out.

    Within a recording it takes `FADE_S` more, over which what was before fades into what comes after.

    Parameters
    ----------
    values : int16 [samples]
    start, end : int
        First sample of the stretch and that after its last; it is not all of the recording.
    sample_rate : int
        In Hz.

    Returns
    -------
    int16 [fewer samples]
    """
    assert 0 < end - start < len(values), f"expected a part of {len(values)} samples, got {start} to {end}"
    fade = min(round(FADE_S * sample_rate), start, len(values) - end)
    rising = (np.arange(fade) + 0.5) / max(1, fade)
    before, after = values[start - fade : start], values[end : end + fade]
    blend = as_values((1 - rising) * before + rising * after)
    return np.concatenate([values[: start - fade], blend, values[end + fade :]])


def put(
    values: NDArray[np.int16], filling: NDArray[np.floating] | NDArray[np.int16], *, start: int, sample_rate: int
) -> NDArray[np.int16]:
    """Put other sound in place of a stretch, fading in and out within it, but at the recording's ends.

    Parameters
    ----------
    values : int16 [samples]
    filling : [length]
        In steps of int16.
    start : int
        Where it goes.
    sample_rate : int
        In Hz.
    """
    end, num = start + len(filling), len(filling)
    fade = min(round(FADE_S * sample_rate), num // 2)
    rising = np.minimum(1.0, (np.arange(num) + 0.5) / max(1, fade))
    amount = np.minimum(rising if start > 0 else 1.0, rising[::-1] if end < len(values) else 1.0)
    made = values.copy()
    made[start:end] = as_values(values[start:end] + amount * (filling - values[start:end].astype(np.float64)))
    return made


def noise(values: NDArray[np.int16], *, start: int, end: int) -> NDArray[np.float64]:
    """Return white Gaussian noise of the mean and the level of a stretch, the same each time, ``[end - start]``."""
    stretch = values[start:end].astype(np.float64)
    return stretch.mean() + stretch.std() * np.random.default_rng([start, end]).normal(size=len(stretch))


def level(
    values: NDArray[np.int16], *, sample_rate: int, low_hz: float = 0.0, high_hz: float = math.inf
) -> NDArray[np.int16]:
    """Give a band of frequencies its mean spectrum throughout: what distinguishes one moment from another is gone.

    Magnitudes of short-time spectra become their geometric mean over time, bin by bin; phases are kept. Values stand
    for sounds within half a step of them, so that digital silence has a spectrum too: that of rounding.

    Parameters
    ----------
    values : int16 [samples]
    sample_rate : int
        In Hz.
    low_hz, high_hz : float
        Edges of the band; the upper one is outside it.

    Returns
    -------
    int16 [samples]
    """
    rounding = np.random.default_rng(DITHER_SEED).random(len(values), np.float32) - np.float32(0.5)
    spectra = analyse(values + rounding, sample_rate=sample_rate)
    hz = bins_hz(sample_rate)
    band = (hz >= low_hz) & ((hz < high_hz) | (high_hz >= sample_rate / 2))
    magnitudes = np.abs(spectra[:, band]) + np.float32(1e-6)
    wanted = np.exp(np.log(magnitudes).mean(axis=0))
    changes = np.zeros_like(spectra)
    changes[:, band] = spectra[:, band] * (wanted / magnitudes - 1)
    return as_values(values + synthesise(changes, len(values), sample_rate=sample_rate))


def as_values(steps: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return samples that are counted in steps of int16 as the nearest of these, ``[samples]``."""
    return np.rint(steps).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
