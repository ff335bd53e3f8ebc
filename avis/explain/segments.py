"""Cut a recording into a few stretches that an ear can take in, where it is quietest."""

import numpy as np
from numpy.typing import NDArray

from avis.audio.quality import FRAME_S, HOP_S, frame_levels_db

SEGMENT_S = 1.0
MOST_SEGMENTS = 12
"""So that all their subsets can be tried: see `avis.explain.shapley`."""


def cut(samples: NDArray[np.float32], *, sample_rate: int) -> NDArray[np.int64]:
    """Return the edges of segments, int64 ``[segments + 1]``, from 0 to the number of samples.

    There are as many as there are seconds, 1 to `MOST_SEGMENTS`. They would be of one length, but each inner edge moves
    by up to a quarter of that to the quietest frame, the nearest of those that are as quiet.

    Parameters
    ----------
    samples : float32 [samples]
    sample_rate : int
        In Hz.

    Examples
    --------
    >>> cut(np.ones(8000, np.float32), sample_rate=16000).tolist()
    [0, 8000]
    """
    num = int(np.clip(round(len(samples) / (SEGMENT_S * sample_rate)), 1, MOST_SEGMENTS))
    length = len(samples) / num
    levels_db = frame_levels_db(samples, sample_rate=sample_rate)
    middles = (np.arange(len(levels_db)) * HOP_S + FRAME_S / 2) * sample_rate
    edges = [0]
    for wanted in np.arange(1, num) * length:
        near = np.flatnonzero(np.abs(middles - wanted) <= length / 4)
        quietest = near[levels_db[near] == levels_db[near].min()]
        edges.append(round(middles[quietest[np.argmin(np.abs(middles[quietest] - wanted))]]))
    return np.array([*edges, len(samples)], np.int64)
