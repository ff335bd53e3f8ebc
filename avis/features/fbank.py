"""Compute Kaldi-compatible log-mel filterbank energies, in batches and on any device."""

import math

import torch

from avis.features.waveforms import check_waveforms, frame_sizes
from avis.full_precision import full_precision

PREEMPHASIS = 0.97
PCM16_SCALE = 32768.0
"""Kaldi reads 16-bit integers: waveforms in [-1, 1] are scaled by this before anything else."""
ENERGY_FLOOR = torch.finfo(torch.float32).eps
POVEY_POWER = 0.85
WINDOWS = ("povey", "hamming")


class Fbank(torch.nn.Module):
    """Log-mel filterbank energies as Kaldi's ``compute-fbank-feats`` gives them without dither.

    Per frame (only whole frames, Kaldi's ``snip-edges=true``): remove the mean, pre-emphasise by 0.97, window, power
    spectrum of the frame zero-padded to a power of two, triangular mel filters, natural logarithm. The window and the
    mel filters are non-persistent buffers: they follow the module to its device and stay out of checkpoints.

    Parameters
    ----------
    dim : int
        Number of mel filters.
    sample_rate : int
        Of the waveforms, in Hz.
    frame_length_ms, frame_shift_ms : float
        Length of a frame and distance between the starts of two.
    window : str
        ``"povey"`` (Hann to the power 0.85) or ``"hamming"``.
    low_hz : float
        Lower edge of the lowest filter.
    high_hz : float
        Upper edge of the highest filter; zero or less counts down from the Nyquist frequency.
    mean_norm : bool
        Subtract from each mel its mean over the utterance (cepstral mean normalisation).

    Raises
    ------
    ValueError
        For an unknown window, a band outside [0, Nyquist], a frame of less than two samples, or so many filters that
        one of them holds no FFT bin.

    References
    ----------
    D. Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011; https://kaldi-asr.org/doc/feat.html

    Examples
    --------
    >>> fbank = Fbank(dim=80, sample_rate=16000, frame_length_ms=25.0, frame_shift_ms=10.0, window="povey",
    ...               low_hz=20.0, high_hz=0.0, mean_norm=True)
    >>> fbank(torch.zeros(2, 16000)).shape, fbank.num_frames(16000), fbank.dim
    (torch.Size([2, 98, 80]), 98, 80)
    """

    window: torch.Tensor
    mel_filters: torch.Tensor

    def __init__(
        self,
        *,
        dim: int,
        sample_rate: int,
        frame_length_ms: float,
        frame_shift_ms: float,
        window: str,
        low_hz: float,
        high_hz: float,
        mean_norm: bool,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.mean_norm = mean_norm
        self.frame_samples, self.shift_samples = frame_sizes(
            sample_rate=sample_rate, frame_length_ms=frame_length_ms, frame_shift_ms=frame_shift_ms
        )
        self.fft_samples = 2 ** (self.frame_samples - 1).bit_length()
        top_hz = high_hz if high_hz > 0 else sample_rate / 2 + high_hz
        filters = _mel_filters(dim, self.fft_samples, sample_rate, low_hz, top_hz)
        self.register_buffer("window", _window(window, self.frame_samples), persistent=False)
        self.register_buffer("mel_filters", filters, persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Return how many whole frames fit into ``num_samples``; zero when none does."""
        return max(0, 1 + (num_samples - self.frame_samples) // self.shift_samples)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return log-mel energies.

        Parameters
        ----------
        waveforms : torch.Tensor
            float32 ``[batch, samples]`` or ``[samples]``, in [-1, 1].

        Returns
        -------
        torch.Tensor
            float32 ``[batch, frames, mels]`` or ``[frames, mels]``. Computed in float32 under autocast too.

        Raises
        ------
        ValueError
            For waveforms that are not float32, or shorter than one frame.
        """
        is_rows = waveforms.dim() > 1 and not torch.compiler.is_exporting()
        if is_rows and waveforms.device.type == "cpu":  # row by row: the frames of one fit into caches
            return torch.stack([self(row) for row in waveforms])
        features = self.log_mels(self.frames(waveforms))
        return features - features.mean(dim=-2, keepdim=True) if self.mean_norm else features

    def frames(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return frames without their mean, at the scale of 16-bit integers, ``[..., frames, samples]``.

        Raises
        ------
        ValueError
            For waveforms that are not float32, or shorter than one frame.
        """
        check_waveforms(waveforms, min_samples=self.frame_samples, name="Fbank")
        frames = (waveforms * PCM16_SCALE).unfold(-1, self.frame_samples, self.shift_samples)
        return frames - frames.mean(dim=-1, keepdim=True)

    def log_mels(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the log-mel energies, without mean normalisation, of what ``frames`` returned."""
        with torch.autocast(frames.device.type, enabled=False), full_precision(frames.device):
            return (self._power_spectrum(frames) @ self.mel_filters).clamp_min(ENERGY_FLOOR).log()

    def _power_spectrum(self, frames: torch.Tensor) -> torch.Tensor:
        """Return ``[..., frames, fft_samples / 2 + 1]``."""
        emphasised = frames.new_zeros(*frames.shape[:-1], self.fft_samples)
        first = frames[..., 0] - PREEMPHASIS * frames[..., 0]
        emphasised[..., 0] = first * self.window[0]
        rest = torch.sub(frames[..., 1:], frames[..., :-1], alpha=PREEMPHASIS)
        emphasised[..., 1 : self.frame_samples] = rest * self.window[1:]
        squares = torch.view_as_real(torch.fft.rfft(emphasised)).square()
        return squares[..., 0] + squares[..., 1]


def _window(name: str, num_samples: int) -> torch.Tensor:
    """Return the symmetric window ``[num_samples]``."""
    if name == "povey":
        return torch.hann_window(num_samples, periodic=False).pow(POVEY_POWER)
    if name == "hamming":
        return torch.hamming_window(num_samples, periodic=False)
    raise ValueError(
        f"Unknown window: got window={name!r}, expected one of {WINDOWS}. At features.front_end.window. "
        "Choose one of these."
    )


def _mel_filters(num_mels: int, fft_samples: int, sample_rate: int, low_hz: float, high_hz: float) -> torch.Tensor:
    """Return triangular filters, equally wide on the mel scale, as ``[fft_samples / 2 + 1, num_mels]``."""
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise ValueError(
            f"The mel filters must lie between 0 and the Nyquist frequency: got low_hz={low_hz} Hz to {high_hz} Hz, "
            f"expected 0 <= low < high <= {sample_rate / 2}. At features.front_end, low_hz and high_hz. "
            "A high_hz of zero or less counts down from the Nyquist frequency."
        )
    low, high = _hz_to_mel(low_hz), _hz_to_mel(high_hz)
    edges = low + torch.arange(num_mels + 2) * ((high - low) / (num_mels + 1))  # float32, as in Kaldi
    bin_hz = torch.arange(fft_samples // 2 + 1) * (sample_rate / fft_samples)
    bins = 1127.0 * (1.0 + bin_hz / 700.0).log().unsqueeze(1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp_min(0.0)
    num_empty = int((filters.sum(dim=0) == 0).sum())
    if num_empty:
        raise ValueError(
            f"Every mel filter must hold an FFT bin: got dim={num_mels}, of which {num_empty} are empty, expected "
            f"0 empty with an FFT of {fft_samples} samples. At features.front_end.dim. Take fewer mels or "
            "longer frames."
        )
    return filters


def _hz_to_mel(hz: float) -> float:
    return 1127.0 * math.log1p(hz / 700.0)
