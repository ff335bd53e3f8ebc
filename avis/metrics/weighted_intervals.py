"""Intervals over speakers for figures that can be stated of weighted trials, however they are counted."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avis.metrics.bootstrap import Resampling, intervals_of, speaker_draws
from avis.metrics.figures import Figures
from avis.metrics.intervals import Intervals
from avis.metrics.trials import Trials


def weighted_intervals(
    trials: Trials, resampling: Resampling, figures: Callable[[NDArray[np.int64]], Figures | None]
) -> Intervals:
    """Return an interval for every figure, from the draws of `avis.metrics.bootstrap.speaker_intervals`.

    Parameters
    ----------
    trials : Trials
        The list, with its speakers.
    resampling : Resampling
        How speakers are drawn.
    figures : callable
        Returns figures of the same trials, given how often each counts (int64 ``[trials]``), or None where they have
        none.

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
    of_list = figures(np.ones(target.size, dtype=np.int64))
    return intervals_of(rows, of_list or {}, resampling, num_speakers)
