"""Send examples to a training's device with what is to be done to them, as arrays of one shape."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avis.audio.codec import FULL_SCALE, to_float
from avis.audio.crop import tile
from avis.augment.bank import INT16_PEAK, Bank
from avis.augment.chain import Augment, Drawn
from avis.augment.resampling import is_simple
from avis.augment.speed import change_speed
from avis.augment.transform import BatchTransform

SCALE, NUM_SAMPLES, SPEED, FIRST = 0, 1, 2, 3
"""Columns of what travels with a waveform: what its whole numbers are multiplied by, how many of them there are, how
much faster they are to be, and the first of what augmentation drew."""


class Travelling:
    """How examples travel from the workers that draw what is done to them to the device that does it.

    A waveform travels as whole numbers of 16 bits: those of its recording, bit for bit, unless a worker changed it.
    What was drawn travels as a row of numbers, in which every transform that can be applied on the device has columns
    of its own: 1 where it is to be applied, and its numbers. What cannot be done there a worker does, with all that
    comes before it; then the numbers are scaled to the waveform's peak.

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
        self.speeds = [factor for factor in speeds if factor != 1.0 and is_simple(factor, 1.0)]
        self.longest = max(crop_samples, *(self.num_cropped(factor) for factor in speeds))
        self.columns: dict[int, slice] = {}
        first = FIRST
        for place, transform in enumerate(augment.transforms if augment else ()):
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
            ``waveforms`` int16 ``[longest]`` and ``drawn`` float64 ``[num_columns]``.
        """
        scale, num_here = 1 / FULL_SCALE, self._num_here(drawn)
        if num_here or factor not in (1.0, *self.speeds):
            waveform = to_float(values)
            waveform = tile(change_speed(waveform, factor) if factor != 1.0 else waveform, self.crop_samples)
            if self.augment is not None:
                waveform = self.augment.apply(waveform, drawn[:num_here], banks)
            values, scale = _quantised(waveform)
            factor = 1.0
        elif factor == 1.0:
            values = tile(values, self.crop_samples)
        row = np.full(self.num_columns, np.nan)
        row[:FIRST] = scale, len(values), factor
        for place, numbers in drawn[num_here:]:
            first = self.columns[place].start
            row[first : first + 1 + len(numbers)] = 1.0, *numbers
        waveforms = np.zeros(self.longest, np.int16)
        waveforms[: len(values)] = values
        return {"waveforms": waveforms, "drawn": row}

    def _num_here(self, drawn: Sequence[Drawn]) -> int:
        """Return how many of the first transforms a worker must apply."""
        here = [number for number, each in enumerate(drawn) if not self._has_room(each)]
        return here[-1] + 1 if here else 0

    def _has_room(self, drawn: Drawn) -> bool:
        columns = self.columns.get(drawn.place)
        return columns is not None and len(drawn.numbers) < columns.stop - columns.start


def _quantised(waveform: NDArray[np.float32]) -> tuple[NDArray[np.int16], float]:
    """Return a waveform as whole numbers, and what to multiply them by."""
    scale = float(np.abs(waveform).max()) / INT16_PEAK or 1.0
    return np.rint(waveform / scale).astype(np.int16), scale
