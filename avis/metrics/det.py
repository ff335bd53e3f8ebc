"""Detection error trade-off: both error rates at every threshold, thinned to what a plot can show."""

import numpy as np
from numpy.typing import NDArray

from avis.metrics.scores import ErrorRates

POINTS_PER_DECADE = 100
"""Points between a rate and ten times that rate; a plot over four decades then has some hundred."""


def det_curve(rates: ErrorRates) -> ErrorRates:
    """Return a part of the thresholds of ``rates`` that looks like all of them on a plot.

    The ends and both neighbours of the equal error rate are kept as they are; in between, of the points whose two
    rates look alike (on a logarithmic scale from both 0 and 1) the first and the last are kept.

    References
    ----------
    Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    """
    return rates.take(det_points(rates))


def det_points(rates: ErrorRates) -> NDArray[np.int64]:
    """Return which thresholds of ``rates`` `det_curve` keeps."""
    cells = np.stack([_cell(rates.misses, rates.num_target), _cell(rates.false_alarms, rates.num_nontarget)])
    new = np.any(cells[:, 1:] != cells[:, :-1], axis=0)
    last = rates.misses.size - 1
    above = max(int(np.searchsorted(rates.gap, 0)), 1)
    edges = np.flatnonzero(new)
    return np.unique(np.concatenate(([0, min(above - 1, last), min(above, last), last], edges, edges + 1)))


def _cell(errors: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """Return numbers of cells on a scale that is logarithmic towards both ends."""
    wrong, right = (np.maximum(part, 0.5) / total for part in (errors, total - errors))
    return np.round(POINTS_PER_DECADE * (np.log10(wrong) - np.log10(right)))
