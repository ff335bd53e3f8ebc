"""Tell what is loud enough to be the voice that a recording is about."""

import numpy as np
from numpy.typing import NDArray

LOUD_PERCENTILE = 95.0
FLOOR_PERCENTILE = 10.0
"""Percentiles of the frame levels that stand for loud speech and for what sounds between."""

SILENCE_DB = -100.0
"""Up to here, below full scale, nothing sounds. Digital silence may be most of a recording, and is no floor of it."""

RANGE_DB = 25.0
"""Voiced sounds are seldom this far below loud ones."""

SHARE = 0.5
MARGIN_DB = 3.0
"""Where the floor is near, only so far down towards it, in dB, and a little more: a steady sound is all loud."""


def quietest_db(levels_db: NDArray[np.floating]) -> float:
    """Return the level below which frames are the room, hum or reverberation, given those of all.

    Parameters
    ----------
    levels_db : float [frames]
        Levels of a recording whose peak is at full scale.

    Examples
    --------
    >>> quietest_db(np.array([-20.0] * 5 + [-80.0] * 5)), quietest_db(np.array([-20.0] * 5 + [-40.0] * 5))
    (-45.0, -33.0)
    """
    sounding = levels_db[levels_db > SILENCE_DB]
    if not len(sounding):
        return SILENCE_DB
    floor, loud = np.percentile(sounding, [FLOOR_PERCENTILE, LOUD_PERCENTILE])
    return float(loud - min(RANGE_DB, SHARE * (loud - floor) + MARGIN_DB))
