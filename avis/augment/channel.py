"""Imitate another microphone or line."""

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import oaconvolve
from torch import Tensor

from avis.augment.filtering import convolve
from avis.augment.level import match_batch_level, match_level
from avis.augment.ranges import check_range, check_within
from avis.augment.transform import BatchTransform

NUM_TAPS = 1025
"""Odd, so that the filter has a middle: its delay is a whole number of samples."""
NUM_KNOTS = 8
LOWEST_KNOT_HZ = 100.0
CUT_ORDER = 6
"""Band edges fall by 6 dB per octave times this, as a Butterworth filter's."""


class Channel(BatchTransform):
    """Filter with a random smooth frequency response, and sometimes with a limited band.

    A linear-phase filter whose delay is taken back: the output stays aligned with the input. Length and root mean
    square are the input's.

    Parameters
    ----------
    probability : float
        Share of the examples that get it, for `avis.augment.chain.Augment`; a direct call always applies it.
    sample_rate : int
        Of the waveforms, in Hz.
    max_gain_db : float
        The response stays within plus and minus this, apart from the band's edges.
    band_limit_probability : float
        Share of the filters that limit the band.
    min_low_cut_hz, max_low_cut_hz : float
        The lower -3 dB edge is drawn uniformly between these.
    min_high_cut_hz, max_high_cut_hz : float
        The upper -3 dB edge is drawn uniformly between these; above the Nyquist frequency it has no effect.
    """

    def __init__(
        self,
        *,
        probability: float,
        sample_rate: int,
        max_gain_db: float,
        band_limit_probability: float,
        min_low_cut_hz: float,
        max_low_cut_hz: float,
        min_high_cut_hz: float,
        max_high_cut_hz: float,
    ) -> None:
        check_within(max_gain_db, 0, np.inf, name="max_gain_db", unit="dB")
        check_within(band_limit_probability, 0, 1, name="band_limit_probability", unit="of the filters")
        check_range(min_low_cut_hz, max_low_cut_hz, name="low_cut_hz", unit="Hz", floor=0.0)
        check_range(min_high_cut_hz, max_high_cut_hz, name="high_cut_hz", unit="Hz", floor=max(max_low_cut_hz, 1.0))
        self.probability = probability
        self.sample_rate = sample_rate
        self.max_gain_db = max_gain_db
        self.band_limit_probability = band_limit_probability
        self.min_low_cut_hz = min_low_cut_hz
        self.max_low_cut_hz = max_low_cut_hz
        self.min_high_cut_hz = min_high_cut_hz
        self.max_high_cut_hz = max_high_cut_hz

    def draw(self, rng: np.random.Generator, num_samples: int) -> list[float]:
        """Return the gain in dB at each knot and, where the band is limited, its edges in Hz."""
        gains_db = rng.uniform(-self.max_gain_db, self.max_gain_db, NUM_KNOTS).tolist()
        if rng.random() >= self.band_limit_probability:
            return gains_db
        low = rng.uniform(self.min_low_cut_hz, self.max_low_cut_hz)
        return [*gains_db, low, rng.uniform(self.min_high_cut_hz, self.max_high_cut_hz)]

    def apply(self, waveform: NDArray[np.float32], drawn: list[float]) -> NDArray[np.float32]:
        """Return the filtered waveform, float32 ``[samples]``."""
        filtered = oaconvolve(waveform, self._filter(drawn))
        delay = NUM_TAPS // 2
        return match_level(filtered[delay : delay + len(waveform)], waveform)

    def _filter(self, drawn: list[float]) -> NDArray[np.float32]:
        """Return a symmetric filter ``[NUM_TAPS]``: the response drawn, sampled over frequency, back in time."""
        frequency = _frequencies(self.sample_rate)
        knots = np.geomspace(LOWEST_KNOT_HZ, self.sample_rate / 2, NUM_KNOTS)
        gains_db = np.interp(np.log(np.maximum(frequency, 1.0)), np.log(knots), drawn[:NUM_KNOTS])
        response = 10 ** (gains_db / 20)
        if len(drawn) > NUM_KNOTS:
            response *= _band(frequency, *drawn[NUM_KNOTS:])
        centred = np.fft.fftshift(np.fft.irfft(response))
        middle = len(centred) // 2
        taps = centred[middle - NUM_TAPS // 2 : middle + NUM_TAPS // 2 + 1] * np.hanning(NUM_TAPS)
        return taps.astype(np.float32)

    def most_drawn(self, num_samples: int) -> int:
        """Return room for the gains and the band."""
        return NUM_KNOTS + 2

    def apply_batch(self, waveforms: Tensor, drawn: Tensor) -> Tensor:
        """Return the filtered waveforms, float32 ``[batch, samples]``."""
        frequency, weights = _interpolation(self.sample_rate, drawn.device)
        response = 10 ** (drawn[:, :NUM_KNOTS] @ weights / 20)
        low, high = drawn[:, NUM_KNOTS, None], drawn[:, NUM_KNOTS + 1, None]
        response *= torch.where(low.isnan(), 1.0, _batch_band(frequency, low, high))
        centred = torch.fft.fftshift(torch.fft.irfft(response), dim=1)
        middle = centred.shape[1] // 2
        window = torch.signal.windows.hann(NUM_TAPS, device=drawn.device, dtype=drawn.dtype)
        taps = centred[:, middle - NUM_TAPS // 2 : middle + NUM_TAPS // 2 + 1] * window
        return match_batch_level(convolve(waveforms, taps.float(), NUM_TAPS // 2), waveforms)


def _frequencies(sample_rate: int) -> NDArray[np.floating]:
    return np.fft.rfftfreq(2 * (NUM_TAPS - 1), 1 / sample_rate)


@functools.lru_cache(maxsize=4)
def _interpolation(sample_rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the frequencies of a response and the share of each knot's gain in each, ``[NUM_KNOTS, frequencies]``."""
    frequency = _frequencies(sample_rate)
    knots = np.log(np.geomspace(LOWEST_KNOT_HZ, sample_rate / 2, NUM_KNOTS))
    shares = [np.interp(np.log(np.maximum(frequency, 1.0)), knots, knot) for knot in np.eye(NUM_KNOTS)]
    return torch.from_numpy(frequency).to(device), torch.from_numpy(np.stack(shares)).to(device)


def _band(frequency: NDArray[np.floating], low_hz: float, high_hz: float) -> NDArray[np.floating]:
    """Return the magnitude response of a Butterworth band, with its edges at -3 dB."""
    power = 2 * CUT_ORDER
    above_low = frequency**power / (frequency**power + max(low_hz, 1.0) ** power)
    below_high = 1 / (1 + (frequency / high_hz) ** power)
    return np.sqrt(above_low * below_high)


def _batch_band(frequency: Tensor, low_hz: Tensor, high_hz: Tensor) -> Tensor:
    """Return `_band` for each pair of edges ``[batch, 1]``, ``[batch, frequencies]``."""
    power = 2 * CUT_ORDER
    above_low = frequency**power / (frequency**power + low_hz.clamp_min(1.0) ** power)
    below_high = 1 / (1 + (frequency / high_hz) ** power)
    return (above_low * below_high).sqrt()
