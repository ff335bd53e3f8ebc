"""Measure levels, and mix at a signal-to-noise ratio."""

import numpy as np
from numpy.typing import NDArray

LEVEL_FRAME_SAMPLES = 320
"""Frame of the level meter: 20 ms at 16 kHz, 40 ms at 8 kHz."""
ACTIVE_RANGE_DB = 30.0


def active_power(waveform: NDArray[np.float32]) -> float:
    """Return the mean power of the frames within 30 dB of the loudest one; 0 for silence.

    The power of speech while somebody speaks: pauses don't lower it.

    Parameters
    ----------
    waveform : float32 array
        float32 ``[samples]``, at least one sample.

    Examples
    --------
    >>> speech_and_pause = np.r_[np.full(640, 0.5), np.zeros(640)].astype(np.float32)
    >>> active_power(speech_and_pause)
    0.25
    """
    starts = np.arange(0, len(waveform), LEVEL_FRAME_SAMPLES)
    counts = np.diff(starts, append=len(waveform))
    energies = np.add.reduceat(np.square(waveform, dtype=np.float64), starts)
    powers = energies / counts
    active = powers >= powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    return float(energies[active].sum() / counts[active].sum())


def mix_at_snr(waveform: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """Return the waveform plus the noise, scaled to the signal-to-noise ratio.

    The ratio is that of the waveform's `active_power` to the noise's mean power. The waveform itself keeps its level,
    so the sum may leave [-1, 1]. Silence stays silence, and a silent noise changes nothing.

    Parameters
    ----------
    waveform, noise : float32 array
        float32 ``[samples]``, of the same length.
    snr_db : float
        Signal-to-noise ratio.
    """
    assert len(noise) == len(waveform), f"noise has {len(noise)} samples, the waveform {len(waveform)}"
    noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
    if noise_power == 0:
        return waveform
    gain = np.sqrt(active_power(waveform) / noise_power) * 10 ** (-snr_db / 20)
    return waveform + np.float32(gain) * noise


def match_level(waveform: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the waveform scaled to the reference's root mean square; a silent waveform as it is."""
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    if power == 0:
        return waveform
    wanted = float(np.mean(np.square(reference, dtype=np.float64)))
    return waveform * np.float32(np.sqrt(wanted / power))
