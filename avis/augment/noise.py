"""Add noise, or music."""

import numpy as np
from numpy.typing import NDArray

from avis.augment.bank import Bank
from avis.augment.level import mix_at_snr
from avis.augment.ranges import check_range


class Noise:
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

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator, bank: Bank) -> NDArray[np.float32]:
        """Return the noisy waveform, float32 ``[samples]``."""
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        return mix_at_snr(waveform, bank.draw(rng, len(waveform)), snr_db)
