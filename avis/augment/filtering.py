"""Filter the waveforms of a batch, each with a filter of its own."""

import scipy.fft
import torch
from torch import Tensor


def convolve(waveforms: Tensor, filters: Tensor, delay: Tensor | int) -> Tensor:
    """Return each waveform through its filter, by the fast Fourier transform.

    Parameters
    ----------
    waveforms : torch.Tensor
        float32 ``[batch, samples]``.
    filters : torch.Tensor
        float32 ``[batch, taps]``.
    delay : int or torch.Tensor
        Samples that are left out at the beginning, of all or int64 ``[batch]``, below the number of taps.

    Returns
    -------
    torch.Tensor
        float32 ``[batch, samples]``.

    Examples
    --------
    >>> convolve(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.0, 1.0]]), 1).round().tolist()
    [[1.0, 2.0, 3.0]]
    """
    num_samples = waveforms.shape[1]
    # An even size: in odd ones a GPU's filtering (H200, CUDA 13.0) came out some percent off.
    size = 2 * scipy.fft.next_fast_len(-(-(num_samples + filters.shape[1] - 1) // 2))
    full = torch.fft.irfft(torch.fft.rfft(waveforms, size) * torch.fft.rfft(filters, size), size)
    if isinstance(delay, int):
        return full[:, delay : delay + num_samples]
    return full.gather(1, delay[:, None] + torch.arange(num_samples, device=full.device))
