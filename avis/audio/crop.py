"""Choose a stretch of fixed length from an utterance."""

import numpy as np


def crop_start(num_samples: int, num: int, rng: np.random.Generator) -> int:
    """Draw where a crop of ``num`` samples begins, all places being equally likely; 0 where nothing is left to choose.

    Parameters
    ----------
    num_samples : int
        Length of the utterance.
    num : int
        Length of the crop.
    rng : numpy.random.Generator
        Used once if the utterance is longer than the crop, else not at all.
    """
    if num_samples <= num:
        return 0
    return int(rng.integers(num_samples - num + 1))


def tile(samples: np.ndarray, num: int) -> np.ndarray:
    """Repeat ``samples`` from its beginning until there are ``num`` of them; cut what is too long.

    Short utterances are repeated and not padded with zeros: padding shifts the statistics that pooling and
    normalisation take over time. The author of voxceleb_trainer reports "a significant adverse effect" of zero padding
    (https://github.com/clovaai/voxceleb_trainer/issues/55).

    Parameters
    ----------
    samples : array
        float32 ``[samples]``, at least one.
    num : int
        Number of samples wanted.

    Returns
    -------
    np.ndarray
        float32 ``[num]``.

    Examples
    --------
    >>> tile(np.array([1.0, 2.0, 3.0], np.float32), 7).tolist()
    [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]
    """
    assert len(samples) > 0, "expected at least one sample to repeat"
    return samples[:num] if len(samples) >= num else np.resize(samples, num)
