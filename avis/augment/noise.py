"""Add noise, or music."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.level import mix_at_snr, mix_batch_at_snr
from avis.augment.ranges import check_range
from avis.augment.transform import BatchTransform


class Noise(BatchTransform):
    """Add a recording of noise or music at a random signal-to-noise ratio (SNR).

    The SNR is measured on the parts where somebody speaks (see `avis.augment.level.mix_at_snr`); the speech keeps its
    level.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    min_snr_db, max_snr_db : float
        The SNR is drawn uniformly between these.
    bank : str
        Name of the bank to draw from: ``noise``, ``music`` or, for one other talker, ``speech``.

    References
    ----------
    D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018, section 3.3.
    """

    def __init__(self, *, probability: float, min_snr_db: float, max_snr_db: float, bank: str = "noise") -> None:
        check_range(min_snr_db, max_snr_db, name="snr_db", unit="dB", floor=-np.inf)
        self.probability = probability
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db
        self.bank = bank

    def draw(self, rng: np.random.Generator, num_samples: int, bank: Bank) -> list[float]:
        """Return the SNR in dB, the recording, and where in it to begin."""
        return [rng.uniform(self.min_snr_db, self.max_snr_db), *bank.draw(rng, num_samples)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float], bank: Bank) -> NDArray[np.float32]:
        """Return the noisy waveform, float32 ``[samples]``."""
        snr_db, recording, start = drawn
        return mix_at_snr(waveform, bank.stretch(int(recording), int(start), len(waveform)), snr_db)

    def most_drawn(self, num_samples: int) -> int:
        """Return 3."""
        return 3

    def apply_batch(self, waveforms: Tensor, drawn: Tensor, bank: BankOnDevice) -> Tensor:
        """Return the noisy waveforms, float32 ``[batch, samples]``."""
        snr_db, recording, start = drawn.unbind(dim=1)
        return mix_batch_at_snr(waveforms, bank.stretches(recording, start, waveforms.shape[1]), snr_db)
