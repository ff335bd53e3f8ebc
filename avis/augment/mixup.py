"""Mix the waveforms of a batch in pairs."""

from typing import NamedTuple

import numpy as np
import torch


class Mixed(NamedTuple):
    """A batch in which every example is mixed with another.

    Attributes
    ----------
    waveforms : torch.Tensor
        ``[batch, samples]``.
    partner : torch.Tensor
        int64 ``[batch]``: which example each was mixed with.
    share : float
        Of the partner in the sum, 0 to 0.5.
    """

    waveforms: torch.Tensor
    partner: torch.Tensor
    share: float


def mixup(waveforms: torch.Tensor, *, alpha: float, rng: np.random.Generator, partners: np.random.Generator) -> Mixed:
    """Return a batch of convex sums: each waveform with the lesser share of another's.

    One share is drawn for the whole batch from Beta(alpha, alpha) and folded at a half, so that the first of the two is
    never the quieter; its loss is then the same sum of the losses under the two labels.

    Parameters
    ----------
    waveforms : torch.Tensor
        float32 ``[batch, samples]``.
    alpha : float
        Above 0; 0.2 mixes little most of the time, 1 evenly.
    rng : numpy.random.Generator
        Draws the share.
    partners : numpy.random.Generator
        Draws the partners: on several workers each among its own examples, while the share is all workers'.

    References
    ----------
    Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018, https://arxiv.org/abs/1710.09412, Eq. 1; for
    speakers: Zhu et al., "Mixup learning strategies for text-independent speaker verification", Interspeech 2019.

    Examples
    --------
    >>> mixed = mixup(torch.eye(2), alpha=1.0, rng=np.random.default_rng(0), partners=np.random.default_rng(1))
    >>> mixed.waveforms.sum(dim=1)
    tensor([1., 1.])
    """
    share = float(rng.beta(alpha, alpha))
    share = min(share, 1.0 - share)
    partner = torch.from_numpy(partners.permutation(len(waveforms))).to(waveforms.device)
    return Mixed((1.0 - share) * waveforms + share * waveforms[partner], partner, share)
