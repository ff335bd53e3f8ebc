"""Measure what a recording is like: how much speech, how noisy, clipped, loud and band-limited it is.

These are quick estimates for filtering and for breaking results down by condition, not laboratory measurements.
"""

import functools
import math

import numpy as np
from scipy import fft

FRAME_S = 0.025
HOP_S = 0.010

FLOOR_DBFS = -100.0
"""Below the noise of 16 bit: digital silence counts as this level."""

DIGITAL_SILENCE_DBFS = -90.0
"""Up to here, one step of 16 bit, nothing sounds. What does must not be steady, or all noise beside it were speech."""

NOISE_PERCENTILE = 10.0
SPEECH_PERCENTILE = 95.0
"""Percentiles of the frame levels that stand for the noise floor and for loud speech."""

MIN_RANGE_DB = 6.0
"""Where loud and quiet frames differ by less, nothing is called speech: noise, hum and tones are steady."""

THRESHOLD_SHARE = 0.25
"""A frame is speech where its level has climbed this share of the way, in dB, from the noise floor to loud speech."""

MIN_RISE_DB = 3.0
"""But it has to climb at least this much, which frames of steady noise seldom do."""

CLIP_LEVEL = 0.999

BANDWIDTH_RANGE_DB = 60.0
"""The band ends where the long-term spectrum stays this far below its peak."""

BANDWIDTH_SEGMENT_S = 0.064

BLACKMAN_HARRIS = (0.35875, -0.48829, 0.14128, -0.01168)
"""Of cosines; its side lobes stay 92 dB below its peak. SciPy has it in a module that takes half a second to import."""

SPECTRA_AT_ONCE = 64
"""So that they stay in the processor's cache."""

MAX_SQUARED = 1e15
"""From here on squares are taken in float64: sums of them would not fit into float32, which is twice as fast."""


def measure(samples: np.ndarray, *, sample_rate: int) -> dict[str, float | None]:
    """Measure the quality columns of the utterances table.

    Parameters
    ----------
    samples : array
        float32 ``[samples]``, not silent.
    sample_rate : int
        In Hz.

    Returns
    -------
    dict
        ``speech_s``
            Seconds of speech by frame energy (25 ms every 10 ms). Sees level changes only: music and bangs count as
            speech, and speech fewer than about 5 dB above the noise, or with pauses in less than a tenth of the time,
            counts short.
        ``snr_db``
            Speech power over noise power in dB, noise being the median frame that is not speech. None where no speech
            was found. Noise gates and digital silence make it read high; reverberation tails count as noise.
        ``clip_ratio``
            Share of samples at full scale (|x| >= 0.999). Clipping that was attenuated later is not seen.
        ``rms_dbfs``
            Level of all samples; a full-scale sine has -3 dB.
        ``dc_offset``
            Mean of all samples, of full scale: of the sound card, not of the voice. A few thousandths are common.
        ``bandwidth_hz``
            Highest frequency at which the long-term spectrum is within 60 dB of its peak.
    """
    peak = _peak(samples)
    samples = _widened(samples, peak)
    levels_db = frame_levels_db(samples, sample_rate=sample_rate)
    is_speech = speech_frames(levels_db)
    num_clipped = np.count_nonzero(np.abs(samples) >= CLIP_LEVEL) if peak >= CLIP_LEVEL else 0
    power = float(np.mean(np.square(samples)))
    return {
        "speech_s": min(float(np.count_nonzero(is_speech) * HOP_S), len(samples) / sample_rate),
        "snr_db": _snr_db(levels_db, is_speech),
        "clip_ratio": float(num_clipped / len(samples)),
        "rms_dbfs": max(10.0 * float(np.log10(power + 1e-30)), FLOOR_DBFS),
        "dc_offset": float(np.mean(samples)),
        "bandwidth_hz": _bandwidth_hz(samples, sample_rate),
    }


def frame_levels_db(samples: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Return the variance of each frame (25 ms every 10 ms) in dB, ``[frames]``; a DC offset does not count."""
    samples = _widened(samples, _peak(samples))
    length, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    if len(samples) < length:
        variances = np.array([np.var(samples, dtype=np.float64)])
    else:
        step = math.gcd(length, hop)
        blocks = samples[: len(samples) // step * step].reshape(-1, step) - np.mean(samples)
        sums = np.concatenate([[0.0], np.cumsum(np.einsum("ij->i", blocks), dtype=np.float64)])
        squares = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", blocks, blocks), dtype=np.float64)])
        starts = np.arange(0, len(samples) - length + 1, hop) // step
        ends = starts + length // step
        means = (sums[ends] - sums[starts]) / length
        variances = (squares[ends] - squares[starts]) / length - means**2
    return 10.0 * np.log10(np.maximum(variances, 10.0 ** (FLOOR_DBFS / 10.0)))


def _peak(samples: np.ndarray) -> float:
    return float(max(samples.max(), -samples.min()))


def _widened(samples: np.ndarray, peak: float) -> np.ndarray:
    return samples.astype(np.float64) if peak > MAX_SQUARED else samples


def speech_frames(levels_db: np.ndarray) -> np.ndarray:
    """Tell which frames are speech by how far their level climbs from the noise floor to loud speech, ``[frames]``."""
    sounding = levels_db[levels_db > DIGITAL_SILENCE_DBFS]
    if not len(sounding) or np.ptp(np.percentile(sounding, [NOISE_PERCENTILE, SPEECH_PERCENTILE])) < MIN_RANGE_DB:
        return np.zeros(len(levels_db), dtype=bool)
    floor, loud = np.percentile(levels_db, [NOISE_PERCENTILE, SPEECH_PERCENTILE])
    return levels_db > floor + max(THRESHOLD_SHARE * (loud - floor), MIN_RISE_DB)


def _snr_db(levels_db: np.ndarray, is_speech: np.ndarray) -> float | None:
    if not is_speech.any():
        return None
    noise = 10.0 ** (float(np.median(levels_db[~is_speech])) / 10.0)
    speech_and_noise = float(np.mean(10.0 ** (levels_db[is_speech] / 10.0)))
    return 10.0 * float(np.log10((speech_and_noise - noise) / noise))


def _bandwidth_hz(samples: np.ndarray, sample_rate: int) -> float:
    num = min(round(BANDWIDTH_SEGMENT_S * sample_rate), len(samples))
    power = _long_term_power(samples, num)
    within = np.flatnonzero(power >= power.max() * 10.0 ** (-BANDWIDTH_RANGE_DB / 10.0))
    return float(within[-1] * sample_rate / num)


@functools.lru_cache(maxsize=16)
def _window(num: int) -> np.ndarray:
    turns = np.outer(np.arange(num) / num, np.arange(len(BLACKMAN_HARRIS)))
    return (np.cos(2.0 * np.pi * turns) @ BLACKMAN_HARRIS).astype(np.float32)


def _long_term_power(samples: np.ndarray, num: int) -> np.ndarray:
    """Return the mean power of segments of ``num`` samples, each less its mean, by frequency up to a constant factor.

    That is Welch's method with segments side by side. Overlapping ones would cost twice as much, for less noise in a
    spectrum that is only asked where it falls 60 dB below its peak.
    """
    window = _window(num)
    segments = samples[: len(samples) // num * num].reshape(-1, num)
    power = np.zeros(num // 2 + 1)
    for start in range(0, len(segments), SPECTRA_AT_ONCE):
        some = segments[start : start + SPECTRA_AT_ONCE]
        centred = some - np.einsum("ij->i", some)[:, None] / num
        centred *= window
        parts = fft.rfft(centred, axis=1).view(centred.dtype)  # real and imaginary in turns
        power += np.einsum("ij,ij->j", parts, parts).reshape(-1, 2).sum(axis=1)
    power[1 : (num + 1) // 2] *= 2.0
    return power
