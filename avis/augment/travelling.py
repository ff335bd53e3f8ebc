"""Send examples to a training's device with what is to be done to them, as arrays of one shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.audio.codec import to_float
from avis.audio.crop import tile
from avis.augment.bank import Bank
from avis.augment.chain import Augment, Drawn
from avis.augment.resampling import is_simple
from avis.augment.speed import change_speed
from avis.augment.transform import BatchTransform

NUM_SAMPLES, SPEED, FIRST = 0, 1, 2
"""Columns of what travels with a waveform: how many samples it has, how much faster they are to be, and the first of
what augmentation drew."""


class Travelling:
    """How examples travel from the workers that draw what is done to them to the device that does it.

    What was drawn travels as a row of numbers, in which every transform that can be applied on the device has columns
    of its own: 1 where it is to be applied, and its numbers. What cannot be applied there a worker applies, with all
    that comes before it. Nothing is rounded: a waveform travels as the 16-bit values of its recording, but as float32
    where workers may have to change it.

    Parameters
    ----------
    augment : Augment or None
    speeds : list of float
        Factors of which one was drawn for each example; see `avis.augment.speed`.
    crop_samples : int
        Length of an example.
    """

    def __init__(self, augment: Augment | None, *, speeds: Sequence[float], crop_samples: int) -> None:
        self.augment, self.crop_samples = augment, crop_samples
        transforms = augment.transforms if augment else []
        self.speeds = [factor for factor in speeds if factor != 1.0 and is_simple(factor, 1.0)]
        self.longest = max(crop_samples, *(self.num_cropped(factor) for factor in speeds))
        is_untouched = all(each.on_device for each in transforms) and all(is_simple(factor, 1.0) for factor in speeds)
        self.dtype = np.int16 if is_untouched else np.float32
        self.columns: dict[int, slice] = {}
        first = FIRST
        for place, transform in enumerate(transforms):
            if isinstance(transform, BatchTransform) and transform.on_device:
                self.columns[place] = slice(first, first + 1 + transform.most_drawn(crop_samples))
                first = self.columns[place].stop
        self.num_columns = first

    def num_cropped(self, factor: float) -> int:
        """Return how many samples make an example at a speed."""
        return int(np.ceil(self.crop_samples * factor))

    def pack(
        self, values: NDArray[np.int16], factor: float, drawn: Sequence[Drawn], banks: Mapping[str, Bank]
    ) -> dict[str, np.ndarray]:
        """Return an example as it travels, after what a worker must do to it.

        Parameters
        ----------
        values : int16 array
            The crop, ``[num_cropped(factor)]`` or, of a short utterance, fewer.
        factor : float
            Speed.
        drawn : sequence of Drawn
            Of the augmentation, for a waveform of ``crop_samples``.
        banks : mapping of str to Bank

        Returns
        -------
        dict
            ``waveforms`` int16 or float32 ``[longest]`` and ``drawn`` float64 ``[num_columns]``.
        """
        here = [number for number, each in enumerate(drawn) if each.place not in self.columns]
        num_here = here[-1] + 1 if here else 0
        waveform: NDArray[Any] = values if self.dtype == np.int16 else to_float(values)
        if num_here or factor not in (1.0, *self.speeds):
            waveform = tile(change_speed(waveform, factor) if factor != 1.0 else waveform, self.crop_samples)
            if self.augment is not None:
                waveform = self.augment.apply(waveform, drawn[:num_here], banks)
            factor = 1.0
        elif factor == 1.0:
            waveform = tile(waveform, self.crop_samples)
        row = np.full(self.num_columns, np.nan)
        row[:FIRST] = len(waveform), factor
        for place, numbers in drawn[num_here:]:
            columns = self.columns[place]
            assert len(numbers) < columns.stop - columns.start, f"{len(numbers)} numbers are drawn, more than there may"
            row[columns.start : columns.start + 1 + len(numbers)] = 1.0, *numbers
        waveforms = np.zeros(self.longest, self.dtype)
        waveforms[: len(waveform)] = waveform
        return {"waveforms": waveforms, "drawn": row}
