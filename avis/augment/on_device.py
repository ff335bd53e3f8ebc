"""Augment a batch on the device of a training, as the workers have drawn it."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.audio.codec import FULL_SCALE
from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.resampling import num_resampled, resample
from avis.augment.transform import BatchTransform
from avis.augment.travelling import NUM_SAMPLES, SPEED, Travelling

DRAWN = "drawn"
"""Of a batch: what was drawn for each example, float64 ``[batch, columns]``."""


class AugmentOnDevice:
    """Do to each example of a batch what was drawn for it: a speed, then the transforms, one after the other.

    An example does not depend on those beside it. Whatever precision a training is in, waveforms have 32 bits. Banks
    move to the device of the first batch.

    Parameters
    ----------
    travelling : Travelling
        As which the examples come.
    banks : mapping of str to Bank
    """

    def __init__(self, travelling: Travelling, banks: Mapping[str, Bank]) -> None:
        self.travelling, self.banks = travelling, banks
        self._placed: dict[torch.device, dict[str, BankOnDevice]] = {}

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the batch with ``waveforms`` float32 ``[batch, crop_samples]``, without `DRAWN`.

        Parameters
        ----------
        batch : mapping
            ``waveforms`` ``[batch, samples]`` of `Travelling.pack`, and `DRAWN`, best left on the CPU, where it is
            read; others are passed on.
        """
        others = {key: value for key, value in batch.items() if key != DRAWN}
        values, drawn = batch["waveforms"], batch[DRAWN].cpu().numpy()
        with torch.autocast(values.device.type, enabled=False):
            waveforms = self._crops(values, drawn)
            for place, columns in self.travelling.columns.items():
                chosen = np.flatnonzero(drawn[:, columns.start] == 1)
                if len(chosen):
                    rows = torch.from_numpy(chosen).to(values.device)
                    numbers = torch.from_numpy(drawn[chosen, columns.start + 1 : columns.stop]).to(values.device)
                    waveforms[rows] = self._transformed(place, waveforms[rows], numbers)
        return others | {"waveforms": waveforms}

    def _transformed(self, place: int, waveforms: Tensor, drawn: Tensor) -> Tensor:
        assert self.travelling.augment is not None
        transform = self.travelling.augment.transforms[place]
        assert isinstance(transform, BatchTransform)
        drawn_from = [] if transform.bank is None else [self._banks_on(waveforms.device)[transform.bank]]
        return transform.apply_batch(waveforms, drawn, *drawn_from)

    def _crops(self, values: Tensor, drawn: NDArray[np.float64]) -> Tensor:
        """Return the waveforms at their speeds, float32 ``[batch, crop_samples]``."""
        waveforms = values if values.dtype == torch.float32 else values / FULL_SCALE
        crops = waveforms[:, : self.travelling.crop_samples].clone()
        for factor in self.travelling.speeds:
            chosen = np.flatnonzero(drawn[:, SPEED] == factor)
            if len(chosen):
                given = [num_resampled(int(num), factor, 1.0) for num in drawn[chosen, NUM_SAMPLES]]
                rows, lengths = (torch.tensor(each).to(values.device) for each in (chosen, given))
                faster = resample(waveforms[rows, : self.travelling.num_cropped(factor)], factor, 1.0)
                places = torch.arange(self.travelling.crop_samples, device=values.device)
                crops[rows] = faster.gather(1, places % lengths[:, None])
        return crops

    def _banks_on(self, device: torch.device) -> dict[str, BankOnDevice]:
        if device not in self._placed:
            self._placed[device] = {name: BankOnDevice(bank, device) for name, bank in self.banks.items()}
        return self._placed[device]
