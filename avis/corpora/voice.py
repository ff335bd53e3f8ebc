"""Synthesise speech-like sound by source and filter: voices that differ the way voices do.

A train of glottal pulses and noise is shaped, frame by frame, by seven formant resonances and a glottal tilt. Nobody
would take it for speech, but its spectra carry a speaker the way speech does: through vocal-tract length, single
formants, F0, tilt and breath, under a random sequence of sounds, and behind a channel and noise that differ by session.

References
----------
Fant: "Acoustic Theory of Speech Production", Mouton, 1960 (source and filter).
Peterson, Barney: "Control methods used in a study of the vowels", JASA 24, 1952 (the table of vowels).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

SAMPLE_RATE = 16000
HOP = 160
WINDOW = 2 * HOP
NUM_BINS = 257
FREQUENCIES_HZ = np.linspace(0.0, SAMPLE_RATE / 2, NUM_BINS)

VOWELS_HZ = np.array(
    [
        [270.0, 2290.0, 3010.0],
        [390.0, 1990.0, 2550.0],
        [530.0, 1840.0, 2480.0],
        [660.0, 1720.0, 2410.0],
        [730.0, 1090.0, 2440.0],
        [570.0, 840.0, 2410.0],
        [440.0, 1020.0, 2240.0],
        [300.0, 870.0, 2240.0],
        [640.0, 1190.0, 2390.0],
        [490.0, 1350.0, 1690.0],
    ]
)
"""F1 to F3 of the vowels of American men, ``[vowels, 3]``."""

HIGH_FORMANTS_HZ = np.array([3500.0, 4500.0, 5500.0, 6500.0])
BANDWIDTHS_HZ = np.array([70.0, 90.0, 130.0, 180.0, 250.0, 320.0, 400.0])

FRICATIVES_HZ = np.array([[6200.0, 1500.0], [3300.0, 1100.0], [7000.0, 4500.0], [1800.0, 1600.0]])
"""Centre and width of the noise of s, sh, f and h, ``[fricatives, 2]``."""

VOWEL, FRICATIVE, PAUSE = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What stays the same in all recordings of a speaker."""

    f0_hz: float
    f0_range: float
    jitter: float
    tilt_db_per_octave: float
    breath: float
    rate: float
    formants_hz: np.ndarray
    """``[vowels, 7]``: vocal-tract length, the speaker's own offset per formant, and a little per vowel."""
    bandwidths_hz: np.ndarray
    """``[7]``"""
    fricative_scale: float


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What stays the same in all recordings of a session."""

    gains: np.ndarray
    """``[bins]``: amplitude response of room, microphone and line."""
    noise_gains: np.ndarray
    """``[bins]``: amplitude spectrum of the background noise."""
    level_dbfs: float
    snr_db: float
    f0_scale: float


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw a speaker: one of two vocal-tract lengths and pitches, typical of women and men, and much around them."""
    is_short = rng.random() < 0.5
    scale = (1.16 if is_short else 1.0) * np.exp(0.05 * rng.standard_normal())
    vowels_hz = np.concatenate([VOWELS_HZ, np.tile(HIGH_FORMANTS_HZ, (len(VOWELS_HZ), 1))], axis=1)
    own = np.exp(0.07 * rng.standard_normal(7) + 0.04 * rng.standard_normal(vowels_hz.shape))
    return Voice(
        f0_hz=(205.0 if is_short else 118.0) * float(np.exp(0.14 * rng.standard_normal())),
        f0_range=float(rng.uniform(0.05, 0.2)),
        jitter=float(rng.uniform(0.004, 0.025)),
        tilt_db_per_octave=float(rng.uniform(-12.0, -2.0)),
        breath=float(rng.uniform(0.01, 0.12)),
        rate=float(np.exp(0.2 * rng.standard_normal())),
        formants_hz=vowels_hz * scale * own,
        bandwidths_hz=BANDWIDTHS_HZ * np.exp(0.35 * rng.standard_normal(7)),
        fricative_scale=float(np.exp(0.08 * rng.standard_normal())),
    )


def draw_channel(rng: np.random.Generator) -> Channel:
    """Draw a session: gentle equaliser, band limits, level, and noise of some colour."""
    octaves = np.log2(np.maximum(FREQUENCIES_HZ, 30.0) / 1000.0)
    gain_db = rng.normal(0.0, 0.6) * octaves
    for centre in rng.uniform(-3.0, 3.0, size=4):
        gain_db = gain_db + rng.normal(0.0, 1.5) * np.exp(-0.5 * ((octaves - centre) / 0.5) ** 2)
    low_hz, high_hz = rng.uniform(40.0, 200.0), rng.uniform(6500.0, 8000.0)
    gain_db = gain_db - 12.0 * np.maximum(np.log2(low_hz) - np.log2(np.maximum(FREQUENCIES_HZ, 10.0)), 0.0)
    gain_db = gain_db - 40.0 * np.maximum(np.log2(np.maximum(FREQUENCIES_HZ, 10.0) / high_hz), 0.0)
    return Channel(
        gains=10.0 ** (gain_db / 20.0),
        noise_gains=10.0 ** (rng.uniform(-4.5, -1.5) * octaves / 20.0),
        level_dbfs=float(rng.uniform(-32.0, -18.0)),
        snr_db=float(rng.uniform(20.0, 35.0)),
        f0_scale=float(np.exp(0.05 * rng.standard_normal())),
    )


def synthesise(voice: Voice, channel: Channel, *, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Utter a random sequence of sounds.

    Parameters
    ----------
    voice, channel
        Speaker and session.
    num_samples : int
        Length, at 16 kHz.
    rng : numpy.random.Generator
        What is said and how this time: everything that changes from one utterance to the next.

    Returns
    -------
    np.ndarray
        float32 ``[samples]``, within [-1, 1].
    """
    num_frames = -(-num_samples // HOP) + 1
    kinds, sounds = _sounds(voice, num_frames, rng)
    voiced_db = gaussian_filter1d(np.where(kinds == VOWEL, 0.0, -50.0), 1.5)
    hissed_db = gaussian_filter1d(np.where(kinds == FRICATIVE, -14.0, -60.0), 1.0)
    stress_db = gaussian_filter1d(rng.normal(0.0, 12.0, num_frames), 12.0)

    total = (num_frames + 1) * HOP
    noise = rng.standard_normal((2, total)).astype(np.float32)
    pulses = _pulses(voice, channel, num_frames, total, rng)
    vowel_spectra = _spectra(pulses + np.float32(voice.breath) * noise[0]) * _vowel_gains(voice, kinds, sounds)
    hiss_spectra = _spectra(noise[0]) * _fricative_gains(voice, kinds, sounds)
    speech = (
        vowel_spectra * _amplitude(voiced_db + stress_db)[:, None]
        + hiss_spectra * _amplitude(hissed_db + stress_db)[:, None]
    ) * channel.gains.astype(np.float32)
    speech_wave = _overlap_add(speech)[HOP : HOP + num_samples]
    noise_wave = _overlap_add(_spectra(noise[1]) * channel.noise_gains.astype(np.float32))[HOP : HOP + num_samples]

    speech_wave /= _rms(speech_wave)
    noise_wave *= 10.0 ** (-channel.snr_db / 20.0) / _rms(noise_wave)
    mix = (speech_wave + noise_wave) * 10.0 ** (channel.level_dbfs / 20.0)
    return np.clip(mix, -1.0, 1.0).astype(np.float32)


def _sounds(voice: Voice, num_frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return, per frame, the kind of sound and which vowel or fricative: int ``[frames]`` each."""
    kinds, sounds, lengths = [PAUSE], [0], [int(rng.integers(5, 20))]
    while sum(lengths) < num_frames:
        after_vowel = int(rng.choice([VOWEL, FRICATIVE, PAUSE], p=[0.4, 0.48, 0.12]))
        kind = after_vowel if kinds[-1] == VOWEL else VOWEL
        shortest, longest = {VOWEL: (6, 16), FRICATIVE: (5, 11), PAUSE: (4, 22)}[kind]
        kinds.append(kind)
        sounds.append(int(rng.integers(len(FRICATIVES_HZ) if kind == FRICATIVE else len(VOWELS_HZ))))
        lengths.append(max(2, round(rng.uniform(shortest, longest) / voice.rate)))
    return np.repeat(kinds, lengths)[:num_frames], np.repeat(sounds, lengths)[:num_frames]


def _pulses(voice: Voice, channel: Channel, num_frames: int, total: int, rng: np.random.Generator) -> np.ndarray:
    """Return glottal pulses of unit power, float32 ``[total]``: falling and wandering F0, jittered periods."""
    wander = gaussian_filter1d(rng.standard_normal(num_frames), 15.0)
    wander *= voice.f0_range / (wander.std() + 1e-9)
    fall = np.linspace(0.5, -0.5, num_frames) * voice.f0_range
    f0_hz = voice.f0_hz * channel.f0_scale * np.exp(wander + fall)
    per_sample = np.interp(np.arange(total), np.arange(num_frames) * HOP, f0_hz) / SAMPLE_RATE
    cycles = np.cumsum(per_sample)
    at = np.searchsorted(cycles, np.arange(1.0, cycles[-1]))
    shifts = voice.jitter * rng.standard_normal(len(at)) / per_sample[at]
    at = np.clip(at + np.rint(shifts).astype(int), 0, total - 1)
    pulses = np.zeros(total, np.float32)
    pulses[at] = 1.0 / np.sqrt(per_sample[at])
    return pulses


def _vowel_gains(voice: Voice, kinds: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """Return the amplitude response of glottis and vocal tract, float32 ``[frames, bins]``.

    Each formant is ``F^2 / |F^2 - f^2 + i f B|``; formants glide from sound to sound.
    """
    nearest_vowel = np.where(kinds == VOWEL, np.arange(len(kinds)), 0)
    targets = voice.formants_hz[sounds[np.maximum.accumulate(nearest_vowel)] % len(VOWELS_HZ)]
    formants = gaussian_filter1d(targets, 2.5, axis=0).astype(np.float32)[:, :, None]
    f = FREQUENCIES_HZ.astype(np.float32)
    widths = (voice.bandwidths_hz[:, None] ** 2 * FREQUENCIES_HZ**2).astype(np.float32)
    power = np.ones((len(kinds), NUM_BINS), np.float32)
    for k in range(formants.shape[1]):
        squared = formants[:, k] ** 2
        power *= squared**2 / ((squared - f * f) ** 2 + widths[k])
    tilt_db = voice.tilt_db_per_octave * np.log2(np.maximum(FREQUENCIES_HZ, 100.0) / 100.0)
    return np.sqrt(power) * _amplitude(tilt_db)


def _fricative_gains(voice: Voice, kinds: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """Return the amplitude spectrum of the frication noise, float32 ``[frames, bins]``."""
    centres, widths = (FRICATIVES_HZ * voice.fricative_scale).T
    shapes = np.exp(-0.5 * ((FREQUENCIES_HZ - centres[:, None]) / widths[:, None]) ** 2).astype(np.float32)
    return shapes[np.where(kinds == FRICATIVE, sounds, 0)]


def _spectra(wave: np.ndarray) -> np.ndarray:
    """Return windowed spectra ``[frames, bins]`` that `_overlap_add` turns back into the wave."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    return np.fft.rfft(frames * window, 2 * (NUM_BINS - 1), axis=1)


def _overlap_add(spectra: np.ndarray) -> np.ndarray:
    length = 2 * (NUM_BINS - 1)
    frames = np.fft.irfft(spectra, length, axis=1)
    num_parts = -(-length // HOP)
    frames = np.pad(frames, ((0, 0), (0, num_parts * HOP - length))).reshape(len(frames), num_parts, HOP)
    wave = np.zeros((len(frames) + num_parts, HOP))
    for part in range(num_parts):
        wave[part : part + len(frames)] += frames[:, part]
    return wave.ravel()


def _amplitude(level_db: np.ndarray) -> np.ndarray:
    return (10.0 ** (level_db / 20.0)).astype(np.float32)


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))
