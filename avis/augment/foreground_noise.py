"""Add noises that come and go."""

import numpy as np
from numpy.typing import NDArray

from avis.augment.bank import Bank
from avis.augment.level import active_power
from avis.augment.ranges import check_range, check_within


class ForegroundNoise:
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
        self.interval_s = interval_s
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db
        self.bank = bank

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator, bank: Bank) -> NDArray[np.float32]:
        """Return the noisy waveform, float32 ``[samples]``."""
        noisy = waveform.copy()
        speech_power = active_power(waveform)
        start = 0
        while start < len(waveform):
            noise = bank.pick(rng, len(waveform) - start)
            noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
            ratio = 10 ** (-rng.uniform(self.min_snr_db, self.max_snr_db) / 20)
            if noise_power > 0:
                noisy[start : start + len(noise)] += np.float32(np.sqrt(speech_power / noise_power) * ratio) * noise
            start += len(noise) + round(self.interval_s * self.sample_rate)
        return noisy
