"""Put the speaker into a room."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from avis.augment.bank import Bank
from avis.augment.level import match_level


class Reverb:
    """Convolve with a room impulse response of a bank.

    The strongest peak of the response counts as the direct path and lands at delay zero, so the output stays aligned
    with the input; what rings on after the end is cut. Length and root mean square are the input's.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.

    References
    ----------
    T. Ko et al., "A study on data augmentation of reverberant speech for robust speech recognition", ICASSP 2017.
    """

    bank: ClassVar[str | None] = "rir"

    def __init__(self, *, probability: float) -> None:
        self.probability = probability

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator, bank: Bank) -> NDArray[np.float32]:
        """Return the reverberant waveform, float32 ``[samples]``."""
        response = bank.pick(rng)
        direct = int(np.argmax(np.abs(response)))
        response = response[: direct + len(waveform)]
        reverberant = fftconvolve(waveform, response)[direct : direct + len(waveform)]
        return match_level(reverberant, waveform)
