"""Add other people talking."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.level import active_power, active_powers, mix_at_snr, mix_batch_at_snr
from avis.augment.ranges import check_range
from avis.augment.transform import BatchTransform


class Babble(BatchTransform):
    """Add several voices, equally loud, at a random signal-to-noise ratio (SNR).

    The SNR is measured on the parts where somebody speaks (see `avis.augment.level.mix_at_snr`); the speech keeps its
    level. The bank may hold the speaker's own voice: it does not know who that is.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    min_snr_db, max_snr_db : float
        The SNR is drawn uniformly between these.
    min_voices, max_voices : int
        The number of voices is drawn uniformly between these, both included.

    References
    ----------
    D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018, section 3.3.
    """

    bank = "speech"

    def __init__(
        self, *, probability: float, min_snr_db: float, max_snr_db: float, min_voices: int, max_voices: int
    ) -> None:
        check_range(min_snr_db, max_snr_db, name="snr_db", unit="dB", floor=-np.inf)
        check_range(min_voices, max_voices, name="voices", unit="voices", floor=1)
        self.probability = probability
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db
        self.min_voices = min_voices
        self.max_voices = max_voices

    def draw(self, rng: np.random.Generator, num_samples: int, bank: Bank) -> list[float]:
        """Return the SNR in dB, and of each voice the recording and where in it to begin."""
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        num_voices = rng.integers(self.min_voices, self.max_voices, endpoint=True)
        return [snr_db, *(number for _ in range(num_voices) for number in bank.draw(rng, num_samples))]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float], bank: Bank) -> NDArray[np.float32]:
        """Return the waveform among voices, float32 ``[samples]``."""
        babble = np.zeros(len(waveform), np.float32)
        for recording, start in zip(drawn[1::2], drawn[2::2], strict=True):
            voice = bank.stretch(int(recording), int(start), len(waveform))
            power = active_power(voice)
            if power > 0:
                babble += voice * np.float32(1 / np.sqrt(power))
        return mix_at_snr(waveform, babble, drawn[0])

    def most_drawn(self, num_samples: int) -> int:
        """Return room for the most voices."""
        return 1 + 2 * self.max_voices

    def apply_batch(self, waveforms: Tensor, drawn: Tensor, bank: BankOnDevice) -> Tensor:
        """Return the waveforms among voices, float32 ``[batch, samples]``."""
        babbles = torch.zeros_like(waveforms)
        for number in range(1, drawn.shape[1], 2):
            recording, start = drawn[:, number].nan_to_num(0), drawn[:, number + 1].nan_to_num(0)
            voices = bank.stretches(recording, start, waveforms.shape[1])
            powers = active_powers(voices)
            is_heard = (powers > 0) & ~drawn[:, number].isnan()
            babbles += torch.where(is_heard, powers.rsqrt(), 0.0).float()[:, None] * voices
        return mix_batch_at_snr(waveforms, babbles, drawn[:, 0])
