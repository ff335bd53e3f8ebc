"""Mask stretches of time and bands of frequency."""

import numpy as np
from numpy.typing import NDArray

from avis.augment.ranges import check_within


class SpecAugment:
    """Replace random frames and random mels of an utterance by each mel's mean.

    After mean normalisation that is a mask of zeros. Time warping is left out.

    Parameters
    ----------
    num_time_masks
        Stretches of frames to mask; they may overlap.
    max_time_frames
        A stretch's length is drawn uniformly from 0 to this, both included.
    num_freq_masks
        Bands of mels to mask; they may overlap.
    max_freq_mels
        A band's width is drawn uniformly from 0 to this, both included.

    References
    ----------
    D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition",
    Interspeech 2019, section 2; https://arxiv.org/abs/1904.08779

    Examples
    --------
    >>> augment = SpecAugment(num_time_masks=1, max_time_frames=10, num_freq_masks=1, max_freq_mels=8)
    >>> augment(np.zeros((200, 80), np.float32), np.random.default_rng(0)).shape
    (200, 80)
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

    def __call__(self, features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a masked copy of the features, float32 ``[frames, mels]``."""
        masked = features.copy()
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        num_frames, num_mels = features.shape
        for _ in range(self.num_time_masks):
            span = _draw_span(rng, self.max_time_frames, num_frames)
            masked[span] = mean
        for _ in range(self.num_freq_masks):
            span = _draw_span(rng, self.max_freq_mels, num_mels)
            masked[:, span] = mean[span]
        return masked


def _draw_span(rng: np.random.Generator, max_width: int, size: int) -> slice:
    width = int(rng.integers(min(max_width, size), endpoint=True))
    start = int(rng.integers(size - width, endpoint=True))
    return slice(start, start + width)
