"""Add noises that come and go."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.level import active_power, active_powers
from avis.augment.ranges import check_range, check_within
from avis.augment.transform import BatchTransform

LEAST_INTERVAL_S = 0.1
"""With shorter pauses there may be any number of recordings in an example, for which a batch has no room."""


class ForegroundNoise(BatchTransform):
    """Add recordings of noise one after the other, with pauses, each at its own random signal-to-noise ratio (SNR).

    As Kaldi's recipes add MUSAN's noises, where `avis.augment.noise.Noise` is one recording in the background from
    beginning to end; of a recording longer than the rest of the speech, a stretch from anywhere. The SNR is the
    speech's `avis.augment.level.active_power` to the recording's mean power.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    interval_s : float
        Pause between the end of a recording and the beginning of the next.
    min_snr_db, max_snr_db : float
        The SNR of each recording is drawn uniformly between these.
    bank : str
        Name of the bank to draw from.

    References
    ----------
    D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018, section 3.3: noises at
    intervals of one second, 0 to 15 dB.
    """

    def __init__(
        self,
        *,
        probability: float,
        sample_rate: int,
        interval_s: float,
        min_snr_db: float,
        max_snr_db: float,
        bank: str = "noise",
    ) -> None:
        check_within(interval_s, 0, np.inf, name="interval_s", unit="s")
        check_range(min_snr_db, max_snr_db, name="snr_db", unit="dB", floor=-np.inf)
        self.probability = probability
        self.sample_rate = sample_rate
        self.interval_samples = round(interval_s * sample_rate)
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db
        self.bank = bank

    def draw(self, rng: np.random.Generator, num_samples: int, bank: Bank) -> list[float]:
        """Return of each recording, one after the other, its number, where in it to begin, and the SNR in dB."""
        drawn: list[float] = []
        start = 0
        while start < num_samples:
            recording = int(rng.integers(len(bank)))
            surplus = len(bank[recording]) - (num_samples - start)
            begin = int(rng.integers(surplus + 1)) if surplus > 0 else 0
            drawn += [recording, begin, rng.uniform(self.min_snr_db, self.max_snr_db)]
            start += len(bank[recording]) + self.interval_samples
        return drawn

    def apply(self, waveform: NDArray[np.float32], drawn: list[float], bank: Bank) -> NDArray[np.float32]:
        """Return the noisy waveform, float32 ``[samples]``."""
        noisy = waveform.copy()
        speech_power = active_power(waveform)
        start = 0
        for recording, begin, snr_db in zip(drawn[::3], drawn[1::3], drawn[2::3], strict=True):
            num = min(len(bank[int(recording)]), len(waveform) - start)
            noise = bank.stretch(int(recording), int(begin), num)
            noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
            ratio = 10 ** (-snr_db / 20)
            if noise_power > 0:
                noisy[start : start + num] += np.float32(np.sqrt(speech_power / noise_power) * ratio) * noise
            start += num + self.interval_samples
        return noisy

    def most_drawn(self, num_samples: int) -> int:
        """Return room for recordings of a sample each."""
        return 3 * -(-num_samples // (1 + self.interval_samples))

    @property
    def on_device(self) -> bool:
        """Whether pauses bound the number of recordings."""
        return self.interval_samples >= LEAST_INTERVAL_S * self.sample_rate

    def apply_batch(self, waveforms: Tensor, drawn: Tensor, bank: BankOnDevice) -> Tensor:
        """Return the noisy waveforms, float32 ``[batch, samples]``."""
        noisy, num_samples = waveforms.clone(), waveforms.shape[1]
        speech_powers, places = active_powers(waveforms), torch.arange(num_samples, device=waveforms.device)
        start = torch.zeros(len(waveforms), dtype=torch.int64, device=waveforms.device)
        for number in range(0, drawn.shape[1], 3):
            recording, begin, snr_db = drawn[:, number : number + 3].unbind(dim=1)
            is_there = ~recording.isnan()
            recording, begin = recording.nan_to_num(0).long(), begin.nan_to_num(0).long()
            num = torch.minimum(bank.lengths[recording], num_samples - start).clamp_min(1)
            inside = (places >= start[:, None]) & (places < (start + num)[:, None]) & is_there[:, None]
            noises = torch.where(inside, bank.stretches(recording, begin - start, num_samples), 0.0)
            noise_powers = noises.square().sum(dim=1, dtype=torch.float64) / num
            gains = (speech_powers / noise_powers).sqrt() * 10 ** (-snr_db / 20)
            noisy += torch.where(noise_powers > 0, gains, 0.0).float()[:, None] * noises
            start += num + self.interval_samples
        return noisy
