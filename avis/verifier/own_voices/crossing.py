"""Decide about people by calibrations that were fitted on others."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.checkpoints.components import ROOMS, build
from avis.scoring.calibration import Calibration
from avis.verifier.folder import CALIBRATING
from avis.verifier.own_voices.forms import Scored

MOST_FOLDS = 8
MOST_FITTED = 50_000
"""Trials of two people that a calibration is fitted on: more say little of people who are no more."""


class Decided(NamedTuple):
    """Log-likelihood ratios of trials, and their intervals, not capped: float ``[trials]``."""

    llr: NDArray[np.floating]
    lower: NDArray[np.floating]
    upper: NDArray[np.floating]

    def unsure(self, threshold: float) -> NDArray[np.bool_]:
        """Tell where the interval holds the threshold: bool ``[trials]``."""
        return (self.lower < threshold) & (self.upper >= threshold)


def fitted(trials: Scored) -> Calibration:
    """Return a calibration of trials, `MOST_FITTED` of two people at most; errors as of `Calibration.fit`."""
    others = np.flatnonzero(~trials.target)
    if len(others) > MOST_FITTED:
        drawn = np.random.default_rng(0).choice(others, MOST_FITTED, replace=False)
        trials = trials.take(np.union1d(np.flatnonzero(trials.target), drawn))
    calibration: Calibration = build(CALIBRATING, ROOMS["calibration"], kinds=(Calibration,))
    calibration.fit(*trials)
    return calibration


def cross_validated(to_fit: Scored, judged: Sequence[Scored], num_people: int) -> list[Decided]:
    """Decide each trial by a calibration that neither of its people was in.

    People are dealt to as many folds as there are, or `MOST_FOLDS`. For each fold and each two of them a calibration is
    fitted on the trials without their people, and judges those between them.

    Raises
    ------
    ValueError
        If the people of the other folds cannot be calibrated on.
    """
    decided = [Decided(*np.full((3, len(each.scores)), np.nan)) for each in judged]
    folds = np.arange(num_people) % MOST_FOLDS
    for one, other in _both(folds):
        within = np.isin(folds[to_fit.speakers], (one, other)).any(axis=1)
        calibration = fitted(to_fit.take(np.flatnonzero(~within)))
        for trials, values in zip(judged, decided, strict=True):
            between = np.flatnonzero((np.sort(folds[trials.speakers], axis=1) == (one, other)).all(axis=1))
            some = trials.take(between)
            values.llr[between] = calibration.uncapped_llr(some.scores, some.features)
            values.lower[between], values.upper[between] = calibration.interval(some.scores, some.features)
    return decided


def _both(folds: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    num = int(folds.max()) + 1
    return ((one, other) for one in range(num) for other in range(one, num))
