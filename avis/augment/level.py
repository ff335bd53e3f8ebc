"""Measure levels, and mix at a signal-to-noise ratio."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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


def mean_powers(waveforms: Tensor) -> Tensor:
    """Return the mean power of each waveform of a batch ``[batch, samples]``, float64 ``[batch]``."""
    return waveforms.square().mean(dim=1, dtype=torch.float64)


def active_powers(waveforms: Tensor) -> Tensor:
    """Return the `active_power` of each waveform of a batch ``[batch, samples]``, float64 ``[batch]``."""
    num_samples = waveforms.shape[1]
    num_frames = -(-num_samples // LEVEL_FRAME_SAMPLES)
    padded = torch.nn.functional.pad(waveforms, (0, num_frames * LEVEL_FRAME_SAMPLES - num_samples))
    frames = padded.reshape(len(waveforms), num_frames, LEVEL_FRAME_SAMPLES)
    energies = frames.square().sum(dim=2, dtype=torch.float64)
    counts = torch.full_like(energies, LEVEL_FRAME_SAMPLES)
    counts[:, -1] = num_samples - (num_frames - 1) * LEVEL_FRAME_SAMPLES
    powers = energies / counts
    active = powers >= powers.amax(dim=1, keepdim=True) * 10 ** (-ACTIVE_RANGE_DB / 10)
    return (energies * active).sum(dim=1) / (counts * active).sum(dim=1)


def mix_batch_at_snr(waveforms: Tensor, noises: Tensor, snr_db: Tensor) -> Tensor:
    """Do as `mix_at_snr` with each waveform and noise of a batch ``[batch, samples]``; ``snr_db`` is ``[batch]``."""
    noise_powers = mean_powers(noises)
    gains = (active_powers(waveforms) / noise_powers).sqrt() * 10 ** (-snr_db / 20)
    return waveforms + torch.where(noise_powers > 0, gains, 0.0).float()[:, None] * noises


def match_batch_level(waveforms: Tensor, references: Tensor) -> Tensor:
    """Do as `match_level` with each waveform and reference of a batch ``[batch, samples]``."""
    powers = mean_powers(waveforms)
    gains = (mean_powers(references) / powers).sqrt()
    return waveforms * torch.where(powers > 0, gains, 1.0).float()[:, None]
