"""Cut the waveforms of a batch into crops of a length that is drawn for each step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avis.random_streams import stream

NUM_LENGTHS = 16
"""Lengths to draw from. Memory and prepared kernels are kept for each size of a network's input: with any number of
samples a worker grew by 1.3 MB a step (ECAPA C=256 on a CPU), with so few it did not."""


def crop_bounds(crop_s: float | Sequence[float]) -> tuple[float, float]:
    """Return the lengths of the shortest and the longest training example, in seconds.

    Raises
    ------
    ValueError
        If ``crop_s`` is neither a length nor two of them in order.

    Examples
    --------
    >>> crop_bounds(2.0), crop_bounds([0.6, 3.0])
    ((2.0, 2.0), (0.6, 3.0))
    """
    bounds = tuple(crop_s) if isinstance(crop_s, Sequence) else (crop_s, crop_s)
    if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
        raise ValueError(
            f"no length to crop to: got crop_s={crop_s} s, expected one, or the shortest and the longest: [0.6, 3.0]. "
            "At trainer.crop_s. Correct it."
        )
    return bounds


@dataclass(frozen=True)
class DrawnCrops:
    """Cut batches of the longest examples into crops of one length per step.

    A length is one of `NUM_LENGTHS`, evenly spaced from the shortest to the longest. Of each example as many crops are
    kept, one after the other, as have room in it: a step of short crops has more of them, and at least half as much
    audio as a step of the longest.

    Attributes
    ----------
    shortest_samples, longest_samples : int
    seed : int
    num_frames : callable
        Returns how many frames the features of so many samples have.
    """

    shortest_samples: int
    longest_samples: int
    seed: int
    num_frames: Callable[[int], int]

    @property
    def most(self) -> int:
        """The most crops that are made of an example."""
        return self.longest_samples // self.shortest_samples

    def num_samples(self, epoch: int, step: int) -> int:
        """Draw the length of a step's crops: the same on every worker, and again where a training goes on."""
        lengths = np.linspace(self.shortest_samples, self.longest_samples, NUM_LENGTHS)
        return round(stream(self.seed, "crop length", epoch, step).choice(lengths))

    def cut(self, batch: Mapping[str, Tensor], epoch: int, step: int) -> dict[str, Tensor]:
        """Cut a batch into the crops of its step.

        The first crops of all examples come before the second ones, so that groups of a speaker stay together.

        Parameters
        ----------
        batch : mapping
            ``waveforms`` ``[batch, longest_samples]``, ``speaker`` ``[batch]`` and, where features are masked,
            ``masked`` ``[batch, frames, mels]``.

        Returns
        -------
        dict
            The same of the crops: ``[batch * crops, ...]``.
        """
        num = self.num_samples(epoch, step)
        count = self.longest_samples // num
        starts = [place * num for place in range(count)]
        made = {
            "waveforms": torch.cat([batch["waveforms"][:, start : start + num] for start in starts]),
            "speaker": batch["speaker"].repeat(count),
        }
        if "masked" in batch:
            masked, frames = batch["masked"], self.num_frames(num)
            last = masked.shape[1] - frames
            begins = [min(place * frames, last) for place in range(count)]
            made["masked"] = torch.cat([masked[:, begin : begin + frames] for begin in begins])
        return made
