"""Resample the waveforms of a batch as soxr does, with soxr's own filters, on any device."""

import functools
from fractions import Fraction

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.full_precision import full_precision

MOST_PHASES = 1000
"""Of a ratio of rates: its terms, in lowest terms, are at most this."""
PROBED_SAMPLES = 1024
"""How far the response to one sample is followed, counted at the lower rate."""
NEGLIGIBLE = 1e-5
"""What may be missing of a response, as the sum of its values."""
HEAD_SAMPLES = 32
"""So many of the first samples soxr makes otherwise than all others, since its inner stages begin there too."""


def is_simple(in_rate: float, out_rate: float) -> bool:
    """Return whether the ratio of two rates is one of whole numbers up to `MOST_PHASES`."""
    ratio = _ratio(in_rate, out_rate)
    return max(ratio.numerator, ratio.denominator) <= MOST_PHASES


def num_resampled(num_samples: int, in_rate: float, out_rate: float) -> int:
    """Return how many samples soxr makes of so many.

    >>> num_resampled(2, 0.8, 1.0), len(soxr.resample(np.zeros(2), 0.8, 1.0))
    (3, 3)
    """
    return int(num_samples * out_rate / in_rate + 0.5)


def resample(waveforms: Tensor, in_rate: float, out_rate: float) -> Tensor:
    """Resample waveforms as ``soxr.resample`` of the quality HQ does, to within 1e-5 of their peak.

    soxr's filters are linear and repeat with the ratio of the rates. So they are measured once, by what soxr makes of
    single samples, and applied as a matrix to overlapping frames.

    Parameters
    ----------
    waveforms : torch.Tensor
        float32 ``[batch, samples]``.
    in_rate, out_rate : float
        Their ratio is simple; see `is_simple`.

    Returns
    -------
    torch.Tensor
        float32 ``[batch, num_resampled(samples)]``.

    Examples
    --------
    >>> resample(torch.zeros(1, 1600), 16000, 8000).shape
    torch.Size([1, 800])
    """
    num = num_resampled(waveforms.shape[1], in_rate, out_rate)
    head, matrix, reach = _filters(in_rate, out_rate, waveforms.device)
    hop, made = matrix.shape[0] - 2 * reach, matrix.shape[1]
    num_frames = max(1, -(-num // made))
    padded = torch.nn.functional.pad(waveforms, (reach, max(0, (num_frames * hop) + reach - waveforms.shape[1])))
    with full_precision(waveforms.device):
        frames = padded.unfold(1, hop + 2 * reach, hop)[:, :num_frames] @ matrix
        given = padded[:, reach : reach + len(head)]
        first = given @ head[: given.shape[1]]
    resampled = frames.flatten(1)
    resampled[:, :HEAD_SAMPLES] = first[:, : resampled.shape[1]]
    return resampled[:, :num]


def _ratio(in_rate: float, out_rate: float) -> Fraction:
    return Fraction(str(in_rate)) / Fraction(str(out_rate))


@functools.lru_cache(maxsize=32)
def _filters(in_rate: float, out_rate: float, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Return the filters of a ratio of rates.

    Returns
    -------
    head : torch.Tensor
        float32 ``[samples, HEAD_SAMPLES]``: the first samples, of the first ones given.
    matrix : torch.Tensor
        float32 ``[hop + 2 * reach, made]``: a frame of samples, of which each has ``hop`` of its own.
    reach : int
        How many samples beyond its own a frame sees on either side.
    """
    ratio = _ratio(in_rate, out_rate)
    responses = _responses(in_rate, out_rate, ratio)
    reach = _reach(responses, ratio)
    repeats = max(1, 2 * reach // ratio.numerator)
    hop, made = repeats * ratio.numerator, repeats * ratio.denominator
    blocks, phases = np.divmod(np.arange(hop + 2 * reach) - reach, ratio.numerator)
    outputs = np.arange(made) + responses.shape[1] // 2
    places = outputs - blocks[:, None] * ratio.denominator
    inside = (places >= 0) & (places < responses.shape[1])
    matrix = np.where(inside, responses[phases[:, None], np.where(inside, places, 0)], 0.0)
    head = _head(in_rate, out_rate, int(HEAD_SAMPLES * ratio) + reach + 1)
    return _placed(head, device), _placed(matrix, device), reach


def _responses(in_rate: float, out_rate: float, ratio: Fraction) -> NDArray[np.float64]:
    """Return what soxr makes of one sample at each phase of the ratio, ``[phases, samples]``, phase 0 in the middle."""
    slower = max(Fraction(1), ratio)
    before = -(-int(PROBED_SAMPLES * slower) // ratio.numerator)
    samples = np.zeros((2 * before + 1) * ratio.numerator)
    made = []
    for phase in range(ratio.numerator):
        samples[:] = 0
        samples[before * ratio.numerator + phase] = 1
        made.append(soxr.resample(samples, in_rate, out_rate)[: 2 * before * ratio.denominator])
    return np.stack(made)


def _reach(responses: NDArray[np.float64], ratio: Fraction) -> int:
    """Return how far from a sample, in samples given, its response is more than `NEGLIGIBLE`."""
    levels, middle = np.abs(responses).max(axis=0), responses.shape[1] // 2
    before, after = np.cumsum(levels[:middle]), np.cumsum(levels[:middle:-1])
    farthest = max(middle - np.searchsorted(before, NEGLIGIBLE), middle - np.searchsorted(after, NEGLIGIBLE))
    return int(farthest * ratio) + ratio.numerator + 1


def _head(in_rate: float, out_rate: float, num_samples: int) -> NDArray[np.float64]:
    """Return what soxr makes first of each of the first samples given, ``[samples, HEAD_SAMPLES]``."""
    samples = np.eye(num_samples, 2 * num_samples + PROBED_SAMPLES)
    return np.stack([soxr.resample(each, in_rate, out_rate)[:HEAD_SAMPLES] for each in samples])


def _placed(array: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).to(device)
