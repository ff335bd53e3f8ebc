"""What the transforms of waveforms have in common, one file each in this package."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avis.augment.bank import Bank


class Transform(ABC):
    """A random change of a waveform, in two steps: what is drawn, and what is then done to the waveform.

    What is drawn is a short list of numbers, for which the waveform's length is known but not its values. So it can be
    drawn in one place and applied in another; a call does both at once.

    Attributes
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    bank : str or None
        Name of the bank that it draws from, if any. `draw` and `apply` are then given the bank as their last argument.
    """

    probability: float
    bank: str | None = None

    def __call__(
        self, waveform: NDArray[np.float32], rng: np.random.Generator, bank: Bank | None = None
    ) -> NDArray[np.float32]:
        """Return the changed waveform, float32 ``[samples]``; the one given is left as it is."""
        drawn_from = [] if bank is None else [bank]
        return self.apply(waveform, self.draw(rng, len(waveform), *drawn_from), *drawn_from)

    @abstractmethod
    def draw(self, *args: Any, **kwargs: Any) -> list[float]:
        """Take the generator, the waveform's length and the bank, if any; return what `apply` needs to know."""

    @abstractmethod
    def apply(self, *args: Any, **kwargs: Any) -> NDArray[np.float32]:
        """Take the waveform, what `draw` returned and the bank, if any; return the changed waveform."""

    @property
    def on_device(self) -> bool:
        """Whether it can be applied to a batch of waveforms on a training's device: see `BatchTransform`."""
        return False


class BatchTransform(Transform):
    """A transform that can be applied to many waveforms at once, by torch, each as drawn for it."""

    @property
    def on_device(self) -> bool:
        """Whether it can be applied to a batch of waveforms on a training's device."""
        return True

    @abstractmethod
    def most_drawn(self, num_samples: int) -> int:
        """Return how many numbers are drawn at most."""

    @abstractmethod
    def apply_batch(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Do the same as `apply` to each waveform of a batch.

        Takes float32 ``[batch, samples]``, what was drawn for each, float64 ``[batch, most_drawn]`` with NaN behind the
        last number, and the `avis.augment.bank_on_device.BankOnDevice`, if any; all on one device, on which nothing is
        waited for.
        """
