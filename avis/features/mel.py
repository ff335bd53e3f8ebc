"""Sum power spectra over filters that are equally spaced on a mel scale."""

import math

import torch
from torchaudio.functional import melscale_fbanks

from avis.full_precision import full_precision

SHAPES = ("htk", "slaney", "speechbrain", "redimnet2")


class MelFilters(torch.nn.Module):
    """Triangular filters on power spectra, as a step after `PowerSpectrogram`; Kaldi's are in `Fbank`.

    With many filters and few FFT bins, low filters may hold no bin and give zero: so it is in the toolkits too.

    Parameters
    ----------
    num_mels : int
        Number of filters.
    sample_rate, fft_samples : int
        As those of the spectra.
    low_hz, high_hz : float
        Edges of the lowest and the highest filter.
    shape : str
        ``"htk"``: on the HTK mel scale, of height one, as torchaudio; ``"slaney"``: on Slaney's scale, of equal area,
        as librosa and NeMo; ``"speechbrain"``: on the HTK scale, of height one, above the centre as wide as below it;
        ``"redimnet2"``: triangles on the HTK scale itself, of height one, for which the lowest bin counts as none and
        the last but one, not the last, as the Nyquist frequency.

    Raises
    ------
    ValueError
        For an unknown shape or a band outside [0, Nyquist].

    Examples
    --------
    >>> mels = MelFilters(num_mels=40, sample_rate=16000, fft_samples=512, low_hz=0.0, high_hz=8000.0, shape="htk")
    >>> mels(torch.zeros(2, 100, 257)).shape
    torch.Size([2, 100, 40])
    """

    filters: torch.Tensor

    def __init__(
        self, *, num_mels: int, sample_rate: int, fft_samples: int, low_hz: float, high_hz: float, shape: str
    ) -> None:
        super().__init__()
        if shape not in SHAPES or not 0 <= low_hz < high_hz <= sample_rate / 2:
            raise ValueError(
                f"No such mel filters: got shape={shape!r}, low_hz={low_hz} Hz and high_hz={high_hz} Hz, expected one "
                f"of {SHAPES} and 0 <= low < high <= {sample_rate / 2} Hz. At features.front_end.steps. Choose "
                "among these."
            )
        if shape == "speechbrain":
            filters = _equal_sides(num_mels, sample_rate, fft_samples, low_hz, high_hz)
        elif shape == "redimnet2":
            filters = _on_mels(num_mels, sample_rate, fft_samples, low_hz, high_hz)
        else:
            filters = melscale_fbanks(
                fft_samples // 2 + 1,
                low_hz,
                high_hz,
                num_mels,
                sample_rate,
                norm="slaney" if shape == "slaney" else None,
                mel_scale=shape,
            )
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        """Map powers ``[..., frames, fft_samples / 2 + 1]`` to ``[..., frames, num_mels]``."""
        with torch.autocast(power.device.type, enabled=False), full_precision(power.device):
            return power @ self.filters


def _equal_sides(num_mels: int, sample_rate: int, fft_samples: int, low_hz: float, high_hz: float) -> torch.Tensor:
    """Return filters that fall as slowly as they rise, from one centre to the next below."""
    low, high = (2595 * torch.tensor(1 + hz / 700).log10() for hz in (low_hz, high_hz))
    centres = 700 * (10 ** (torch.linspace(float(low), float(high), num_mels + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, fft_samples // 2 + 1).unsqueeze(1)
    return (1 - (bins - centres[1:-1]).abs() / centres[:-1].diff()).clamp_min(0.0)


def _on_mels(num_mels: int, sample_rate: int, fft_samples: int, low_hz: float, high_hz: float) -> torch.Tensor:
    """Return filters that are straight in mels, on half as many bins as the transform has samples."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (low_hz, high_hz))
    edges = torch.linspace(low, high, num_mels + 2, dtype=torch.float64)
    hertz = torch.linspace(0, sample_rate / 2, fft_samples // 2, dtype=torch.float64).unsqueeze(1)
    places = 2595 * (1 + hertz / 700).log10()
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp_min(0.0)
    filters[0] = 0.0
    return torch.nn.functional.pad(filters, (0, 0, 0, 1)).float()
