"""Compute Kaldi-compatible mel-frequency cepstral coefficients."""

import math

import torch
from torchaudio.functional import create_dct

from avis.features.fbank import ENERGY_FLOOR, Fbank
from avis.full_precision import full_precision


class Mfcc(torch.nn.Module):
    """Cepstra of Kaldi filterbank energies, as Kaldi's ``compute-mfcc-feats`` gives them without dither.

    The discrete cosine transform of the log-mel energies, its first coefficients weighted by
    ``1 + lifter / 2 * sin(pi * i / lifter)``.

    Parameters
    ----------
    dim : int
        Number of coefficients, the zeroth included.
    lifter : float
        Of the weights (22 in Kaldi); zero leaves the coefficients as they are.
    use_energy : bool
        Put the logarithm of a frame's energy in place of the zeroth coefficient: that of the samples without their
        mean, before pre-emphasis and window (Kaldi's ``raw-energy``).
    fbank : Fbank
        Makes the log-mel energies; its ``mean_norm`` counts for the cepstra.

    Raises
    ------
    ValueError
        If there are more coefficients than mels.

    References
    ----------
    S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in
    continuously spoken sentences", IEEE TASSP 28(4), 1980; https://kaldi-asr.org/doc/feat.html

    Examples
    --------
    >>> fbank = Fbank(dim=40, sample_rate=16000, frame_length_ms=25.0, frame_shift_ms=10.0, window="povey",
    ...               low_hz=20.0, high_hz=-400.0, mean_norm=False)
    >>> Mfcc(dim=30, lifter=22.0, use_energy=False, fbank=fbank)(torch.zeros(2, 16000)).shape
    torch.Size([2, 98, 30])
    """

    transform: torch.Tensor

    def __init__(self, *, dim: int, lifter: float, use_energy: bool, fbank: Fbank) -> None:
        super().__init__()
        if not 1 <= dim <= fbank.dim:
            raise ValueError(
                f"There are as many cepstra as mels at most: got dim={dim}, expected 1 to {fbank.dim}. At "
                "features.front_end.dim. Take fewer coefficients or more mels."
            )
        self.dim = dim
        self.use_energy = use_energy
        self.fbank = fbank
        transform = create_dct(dim, fbank.dim, norm="ortho") * _weights(dim, lifter)
        self.register_buffer("transform", transform, persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Return how many whole frames fit into ``num_samples``; zero when none does."""
        return self.fbank.num_frames(num_samples)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return cepstra, float32 ``[batch, frames, dim]`` or ``[frames, dim]``; for the rest see `Fbank.forward`."""
        frames = self.fbank.frames(waveforms)
        with torch.autocast(waveforms.device.type, enabled=False), full_precision(waveforms.device):
            cepstra = self.fbank.log_mels(frames) @ self.transform
        if self.use_energy:
            energy = frames.square().sum(dim=-1, keepdim=True).clamp_min(ENERGY_FLOOR).log()
            cepstra = torch.cat((energy, cepstra[..., 1:]), dim=-1)
        return cepstra - cepstra.mean(dim=-2, keepdim=True) if self.fbank.mean_norm else cepstra


def _weights(num_cepstra: int, lifter: float) -> torch.Tensor:
    if lifter == 0:
        return torch.ones(num_cepstra)
    return 1 + 0.5 * lifter * torch.sin(math.pi * torch.arange(num_cepstra) / lifter)
