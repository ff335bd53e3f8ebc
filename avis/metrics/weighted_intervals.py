"""Intervals over speakers for figures that can be stated of weighted trials, however they are counted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.metrics.bootstrap import Flat, Resampling, intervals_of, speaker_draws
from avis.metrics.trials import Trials


def weighted_intervals(
    trials: Trials, resampling: Resampling, figures: Callable[[NDArray[np.int64]], Flat | None]
) -> dict[str, Any]:
    """Return an interval for every figure, from the draws of `avis.metrics.bootstrap.speaker_intervals`.

    Parameters
    ----------
    trials
        With their speakers.
    resampling
        How speakers are drawn.
    figures
        States figures of the same trials, given how often each counts (int64 ``[trials]``), or None where they have
        none.

    Returns
    -------
    dict
        See `avis.metrics.bootstrap.speaker_intervals`.

    Raises
    ------
    ValueError
        If speakers and answers disagree.
    """
    enroll, test, num_speakers = trials.speakers()
    target = np.asarray(trials.target, dtype=bool)
    rows = []
    for drawn in speaker_draws(num_speakers, resampling.checked()):
        weights = drawn[enroll] * np.where(target, 1, drawn[test])
        if (row := figures(weights)) is not None:
            rows.append(row)
    found = figures(np.ones(target.size, dtype=np.int64))
    return intervals_of(rows, found or {}, resampling, num_speakers)
