"""Compute power spectrograms as `torch.stft` does, which most toolkits outside Kaldi build upon."""

import torch

from avis.features.waveforms import check_waveforms, frame_sizes

WINDOWS = {"hann": torch.hann_window, "hamming": torch.hamming_window}
PAD_MODES = ("constant", "reflect")


class PowerSpectrogram(torch.nn.Module):
    """Squared magnitudes of short-time spectra, of frames around every shift from time zero on.

    Parameters
    ----------
    sample_rate : int
        Of the waveforms, in Hz.
    fft_samples : int
        Of the transform, in whose middle the window lies.
    frame_length_ms, frame_shift_ms : float
        Length of the window and distance between two.
    window : str
        ``"hann"`` or ``"hamming"``.
    periodic : bool
        Whether the window is one period (PyTorch's default) or symmetric.
    pad_mode : str
        What lies beyond both ends of a waveform: ``"constant"`` silence, or ``"reflect"``.
    last_frame : bool
        Keep the frame around the end, so that there is one frame more than shifts.
    pad_samples : int or None
        Samples beyond each end that the first and the last transform reach; half of the transform, which puts the
        middle of the first at time zero, if None.

    Raises
    ------
    ValueError
        For an unknown window or pad mode, or a window longer than the transform.

    Examples
    --------
    >>> spectrogram = PowerSpectrogram(sample_rate=16000, fft_samples=512, frame_length_ms=25.0, frame_shift_ms=10.0,
    ...     window="hann", periodic=True, pad_mode="reflect", last_frame=True)
    >>> spectrogram(torch.zeros(2, 16000)).shape
    torch.Size([2, 101, 257])
    """

    window: torch.Tensor

    def __init__(
        self,
        *,
        sample_rate: int,
        fft_samples: int,
        frame_length_ms: float,
        frame_shift_ms: float,
        window: str,
        periodic: bool,
        pad_mode: str,
        last_frame: bool,
        pad_samples: int | None = None,
    ) -> None:
        super().__init__()
        frame_samples, self.shift_samples = frame_sizes(
            sample_rate=sample_rate, frame_length_ms=frame_length_ms, frame_shift_ms=frame_shift_ms
        )
        if window not in WINDOWS or pad_mode not in PAD_MODES or frame_samples > fft_samples:
            raise ValueError(
                f"No such spectrogram: got window={window!r}, pad_mode={pad_mode!r} and {frame_samples} samples in a "
                f"frame, expected one of {tuple(WINDOWS)}, one of {PAD_MODES} and at most fft_samples={fft_samples}. "
                "At features.front_end. Choose among these."
            )
        self.dim = fft_samples // 2 + 1
        self.fft_samples = fft_samples
        self.pad_mode = pad_mode
        self.last_frame = last_frame
        self.pad_samples = fft_samples // 2 if pad_samples is None else pad_samples
        self.min_samples = max(
            1 if pad_mode == "constant" else self.pad_samples + 1, fft_samples - 2 * self.pad_samples
        )
        if not last_frame:
            self.min_samples = max(self.min_samples, self.shift_samples)
        self.register_buffer("window", WINDOWS[window](frame_samples, periodic=periodic), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames ``num_samples`` give; zero when it is too short to be reflected."""
        beyond_first = num_samples + 2 * self.pad_samples - self.fft_samples
        return 0 if num_samples < self.min_samples else beyond_first // self.shift_samples + int(self.last_frame)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 ``[batch, samples]`` or ``[samples]`` to powers, float32 ``[batch, frames, dim]``."""
        check_waveforms(waveforms, min_samples=self.min_samples, name="PowerSpectrogram")
        with torch.autocast(waveforms.device.type, enabled=False):
            rows = waveforms.reshape(-1, waveforms.shape[-1])
            padded = torch.nn.functional.pad(rows, (self.pad_samples, self.pad_samples), mode=self.pad_mode)
            spectrum = torch.stft(
                padded.reshape(*waveforms.shape[:-1], -1),
                self.fft_samples,
                hop_length=self.shift_samples,
                win_length=len(self.window),
                window=self.window,
                center=False,
                return_complex=True,
            )
        power = spectrum.real.square() + spectrum.imag.square()
        return power.mT[..., : self.num_frames(waveforms.shape[-1]), :]
