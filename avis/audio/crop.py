"""Cut stretches out of utterances: of one length, or as windows side by side."""

import itertools

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


def windows(num_samples: int, longest: int) -> list[tuple[int, int]]:
    """Cut a recording into as few windows as there may be, side by side and, to a sample, of one length.

    So there is no short rest, whose embedding would say little and count as much as any other. A recording that is not
    longer than a window is one.

    Parameters
    ----------
    num_samples : int
        Length of the recording.
    longest : int
        Samples of a window at most.

    Returns
    -------
    list of (int, int)
        Where each begins, and how many samples it has.

    Examples
    --------
    >>> windows(10, 4), windows(4, 4)
    ([(0, 3), (3, 3), (6, 4)], [(0, 4)])
    """
    num = -(-num_samples // longest)
    bounds = [num_samples * number // num for number in range(num + 1)]
    return [(start, end - start) for start, end in itertools.pairwise(bounds)]


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
