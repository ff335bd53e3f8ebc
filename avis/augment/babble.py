"""Add other people talking."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avis.augment.bank import Bank
from avis.augment.level import active_power, mix_at_snr
from avis.augment.ranges import check_range


class Babble:
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

    bank: ClassVar[str | None] = "speech"

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

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator, bank: Bank) -> NDArray[np.float32]:
        """Return the waveform among voices, float32 ``[samples]``."""
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        babble = np.zeros(len(waveform), np.float32)
        for _ in range(rng.integers(self.min_voices, self.max_voices, endpoint=True)):
            voice = bank.draw(rng, len(waveform))
            power = active_power(voice)
            if power > 0:
                babble += voice * np.float32(1 / np.sqrt(power))
        return mix_at_snr(waveform, babble, snr_db)
