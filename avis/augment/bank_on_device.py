"""Hold a bank on the device of a training."""

import warnings

import numpy as np
import torch
from torch import Tensor

from avis.augment.bank import INT16_PEAK, Bank


class BankOnDevice:
    """The recordings of a bank, for many waveforms at once.

    A plain object, not a module: what it holds belongs into no checkpoint and need not be sent from worker to worker.

    Parameters
    ----------
    bank : Bank
    device : torch.device
        On a CPU the recordings are read in place, where the bank has them.
    """

    def __init__(self, bank: Bank, device: torch.device) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            self.samples = torch.from_numpy(bank.samples).to(device)
        self.starts = torch.from_numpy(bank.offsets[:-1].copy()).to(device)
        self.lengths = torch.from_numpy(np.diff(bank.offsets)).to(device)
        self.longest = int(np.diff(bank.offsets).max())

    def stretches(self, recording: Tensor, start: Tensor, num_samples: int) -> Tensor:
        """Return stretches of recordings, which repeat; see `avis.augment.bank.Bank.stretch`.

        Parameters
        ----------
        recording, start : torch.Tensor
            Whole numbers of any type, ``[batch]``.
        num_samples : int

        Returns
        -------
        torch.Tensor
            float32 ``[batch, num_samples]``.
        """
        recording, start = recording.long(), start.long()
        places = start[:, None] + torch.arange(num_samples, device=start.device)
        places = self.starts[recording, None] + places % self.lengths[recording, None]
        return self._to_float(self.samples[places])

    def whole(self, recording: Tensor) -> Tensor:
        """Return whole recordings, float32 ``[batch, longest]``, zeros behind the end of each."""
        stretches = self.stretches(recording, torch.zeros_like(recording), self.longest)
        places = torch.arange(self.longest, device=recording.device)
        return torch.where(places < self.lengths[recording.long(), None], stretches, 0.0)

    @staticmethod
    def _to_float(samples: Tensor) -> Tensor:
        return samples.float() * float(np.float32(1 / INT16_PEAK))
