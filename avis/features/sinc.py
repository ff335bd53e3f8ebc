"""Measure energies of bands whose edges are learnt."""

import math

import torch

from avis.features.waveforms import check_waveforms, frame_sizes
from avis.full_precision import full_precision

MIN_LOW_HZ = 50.0
MIN_BAND_HZ = 50.0
FIRST_HZ = 30.0
"""Where the lowest band starts before training."""


class Sinc(torch.nn.Module):
    """Energies per frame of band-pass filters, each of which has two parameters: its edges (SincNet).

    The filters are differences of two windowed sinc functions, at first equally wide on the mel scale. Their outputs
    are squared and averaged over frames, so that `Log` and a normalisation make of them what models of mel energies
    expect; the paper passes the outputs themselves on, through max-pooling.

    Parameters
    ----------
    dim : int
        Number of filters.
    sample_rate : int
        Of the waveforms, in Hz.
    kernel_samples : int
        Length of the filters; odd, so that they are symmetric.
    stride_samples : int
        Between outputs of the filters.
    frame_length_ms, frame_shift_ms : float
        Over which outputs are averaged; whole multiples of the stride.

    Raises
    ------
    ValueError
        For a kernel of even length, or frames that are no multiples of the stride.

    References
    ----------
    M. Ravanelli and Y. Bengio, "Speaker recognition from raw waveform with SincNet", SLT 2018, equations 4 to 8

    Examples
    --------
    >>> sinc = Sinc(dim=80, sample_rate=16000, kernel_samples=251, stride_samples=10, frame_length_ms=25.0,
    ...             frame_shift_ms=10.0)
    >>> sinc(torch.zeros(2, 16000)).shape, sinc.num_frames(16000)
    (torch.Size([2, 96, 80]), 96)
    """

    times: torch.Tensor
    window: torch.Tensor

    def __init__(
        self,
        *,
        dim: int,
        sample_rate: int,
        kernel_samples: int,
        stride_samples: int,
        frame_length_ms: float,
        frame_shift_ms: float,
    ) -> None:
        super().__init__()
        frame, shift = frame_sizes(
            sample_rate=sample_rate, frame_length_ms=frame_length_ms, frame_shift_ms=frame_shift_ms
        )
        if kernel_samples % 2 == 0 or frame % stride_samples or shift % stride_samples:
            raise ValueError(
                f"Filters must be symmetric and frames hold whole strides: got kernel_samples={kernel_samples}, frames "
                f"of {frame} and shifts of {shift} samples, expected an odd kernel and multiples of "
                f"stride_samples={stride_samples}. At features.front_end.steps. Change one of them."
            )
        self.dim = dim
        self.sample_rate = sample_rate
        self.stride_samples = stride_samples
        self.frame_outputs, self.shift_outputs = frame // stride_samples, shift // stride_samples
        self.min_samples = kernel_samples + (self.frame_outputs - 1) * stride_samples
        edges_hz = _mel_spaced(dim + 1, FIRST_HZ, sample_rate / 2 - MIN_LOW_HZ - MIN_BAND_HZ)
        self.low_hz = torch.nn.Parameter(edges_hz[:-1])
        self.band_hz = torch.nn.Parameter(edges_hz.diff())
        half = kernel_samples // 2
        self.register_buffer("times", torch.arange(-half, half + 1) / sample_rate, persistent=False)
        self.register_buffer("window", torch.hamming_window(kernel_samples, periodic=False), persistent=False)

    def filters(self) -> torch.Tensor:
        """Return the filters ``[dim, kernel_samples]``, one at the middle of each."""
        low = MIN_LOW_HZ + self.low_hz.abs()
        high = (low + MIN_BAND_HZ + self.band_hz.abs()).clamp(MIN_LOW_HZ, self.sample_rate / 2)
        low, high = low.unsqueeze(1), high.unsqueeze(1)
        passed = high * torch.sinc(2 * high * self.times) - low * torch.sinc(2 * low * self.times)
        return passed / (high - low) * self.window

    def num_frames(self, num_samples: int) -> int:
        """Return how many whole frames ``num_samples`` give; zero when none."""
        return max(0, 1 + (num_samples - self.min_samples) // (self.shift_outputs * self.stride_samples))

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 ``[batch, samples]`` or ``[samples]`` to energies, float32 ``[batch, frames, dim]``."""
        check_waveforms(waveforms, min_samples=self.min_samples, name="Sinc")
        with torch.autocast(waveforms.device.type, enabled=False), full_precision(waveforms.device):
            outputs = torch.nn.functional.conv1d(
                waveforms.unsqueeze(-2), self.filters().unsqueeze(1), stride=self.stride_samples
            )
            energies = torch.nn.functional.avg_pool1d(outputs.square(), self.frame_outputs, self.shift_outputs)
        return energies.mT


def _mel_spaced(number: int, low_hz: float, high_hz: float) -> torch.Tensor:
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (low_hz, high_hz))
    return 700 * (10 ** (torch.linspace(low, high, number) / 2595) - 1)
