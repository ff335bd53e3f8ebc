"""Put the speaker into a room."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from torch import Tensor

from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.filtering import convolve
from avis.augment.level import match_batch_level, match_level
from avis.augment.transform import BatchTransform


class Reverb(BatchTransform):
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

    bank = "rir"

    def __init__(self, *, probability: float) -> None:
        self.probability = probability

    def draw(self, rng: np.random.Generator, num_samples: int, bank: Bank) -> list[float]:
        """Return the number of the response."""
        return [int(rng.integers(len(bank)))]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float], bank: Bank) -> NDArray[np.float32]:
        """Return the reverberant waveform, float32 ``[samples]``."""
        number = int(drawn[0])
        response = bank.stretch(number, 0, len(bank[number]))
        direct = int(np.argmax(np.abs(response)))
        response = response[: direct + len(waveform)]
        reverberant = fftconvolve(waveform, response)[direct : direct + len(waveform)]
        return match_level(reverberant, waveform)

    def most_drawn(self, num_samples: int) -> int:
        """Return 1."""
        return 1

    def apply_batch(self, waveforms: Tensor, drawn: Tensor, bank: BankOnDevice) -> Tensor:
        """Return the reverberant waveforms, float32 ``[batch, samples]``."""
        responses = bank.whole(drawn[:, 0])
        levels, places = responses.abs(), torch.arange(bank.longest, device=responses.device)
        is_peak = levels == levels.amax(dim=1, keepdim=True)
        direct = torch.where(is_peak, places, bank.longest).amin(dim=1)
        return match_batch_level(convolve(waveforms, responses, direct), waveforms)
