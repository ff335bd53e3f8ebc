"""Mask stretches of time and bands of frequency."""

import numpy as np
import torch
from numpy.typing import NDArray

from avis.augment.ranges import check_within


class SpecAugment:
    """Replace random frames and random mels of an utterance by each mel's mean.

    After mean normalisation that is a mask of zeros. Time warping is left out. An instance draws what is masked;
    `mask_features` masks it, wherever the features are computed.

    Parameters
    ----------
    num_time_masks : int
        Stretches of frames to mask; they may overlap.
    max_time_frames : int
        A stretch's length is drawn uniformly from 0 to this, both included.
    num_freq_masks : int
        Bands of mels to mask; they may overlap.
    max_freq_mels : int
        A band's width is drawn uniformly from 0 to this, both included.

    References
    ----------
    D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition",
    Interspeech 2019, section 2; https://arxiv.org/abs/1904.08779

    Examples
    --------
    >>> augment = SpecAugment(num_time_masks=1, max_time_frames=10, num_freq_masks=1, max_freq_mels=8)
    >>> masked = augment(200, 80, np.random.default_rng(0))
    >>> mask_features(torch.zeros(200, 80), torch.from_numpy(masked)).shape
    torch.Size([200, 80])
    """

    def __init__(self, *, num_time_masks: int, max_time_frames: int, num_freq_masks: int, max_freq_mels: int) -> None:
        check_within(num_time_masks, 0, np.inf, name="num_time_masks", unit="masks")
        check_within(max_time_frames, 0, np.inf, name="max_time_frames", unit="frames")
        check_within(num_freq_masks, 0, np.inf, name="num_freq_masks", unit="masks")
        check_within(max_freq_mels, 0, np.inf, name="max_freq_mels", unit="mels")
        self.num_time_masks = num_time_masks
        self.max_time_frames = max_time_frames
        self.num_freq_masks = num_freq_masks
        self.max_freq_mels = max_freq_mels

    def __call__(self, num_frames: int, num_mels: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return what is masked of features of this shape, bool ``[frames, mels]``."""
        masked = np.zeros((num_frames, num_mels), dtype=bool)
        for _ in range(self.num_time_masks):
            masked[_draw_span(rng, self.max_time_frames, num_frames)] = True
        for _ in range(self.num_freq_masks):
            masked[:, _draw_span(rng, self.max_freq_mels, num_mels)] = True
        return masked


def mask_features(features: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Return features ``[..., frames, mels]`` with each mel's mean over frames where ``masked``."""
    return torch.where(masked, features.mean(dim=-2, keepdim=True), features)


def _draw_span(rng: np.random.Generator, max_width: int, size: int) -> slice:
    width = int(rng.integers(min(max_width, size), endpoint=True))
    start = int(rng.integers(size - width, endpoint=True))
    return slice(start, start + width)
