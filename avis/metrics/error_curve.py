"""Errors of a list at any threshold and how far its scores reach: what a plot needs, of lists of any length."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.scores import ErrorRates, SortedScores, sort_scores

_OUTSIDE = 0.0005


class Reach(NamedTuple):
    """How far scores reach.

    Attributes
    ----------
    lowest, highest : float
        Ends of all scores.
    low, high : float
        How far all but a few scores of either kind (0.05 % at either end) reach.
    """

    lowest: float
    low: float
    high: float
    highest: float


class ErrorCurve(NamedTuple):
    """A list whose errors can be counted.

    Attributes
    ----------
    rates : ErrorRates
        Errors at the thresholds of the curve on which figures and plots depend, or more.
    rates_at : callable
        Counts errors at thresholds of one's own, rising ``[thresholds]``.
    reach : Reach
        How far the scores reach.
    """

    rates: ErrorRates
    rates_at: Callable[[ArrayLike], ErrorRates]
    reach: Reach


def error_curve(scores: ArrayLike, target: ArrayLike) -> ErrorCurve:
    """Sort the scores of a list for plots.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> error_curve([1, 0, 2], [True, False, False]).reach
    Reach(lowest=0.0, low=0.0, high=2.0, highest=2.0)
    """
    ordered = sort_scores(scores, target)
    return ErrorCurve(ordered.rates(), ordered.rates_at, reach([marks(ordered)]))


def marks(part: SortedScores) -> NDArray[np.float64]:
    """Return the scores from which `reach` follows, NaN where they lie in another part: float64 ``[kinds, marks]``."""
    scores = np.full((2, 4), np.nan)
    kinds = (
        (part.targets, part.num_target, part.targets_before),
        (
            part.nontargets,
            part.num_nontarget,
            part.nontargets_before,
        ),
    )
    for row, (values, total, before) in zip(scores, kinds, strict=True):
        outside = int(_OUTSIDE * total)
        places = np.array([0, outside, total - 1 - outside, total - 1]) - before
        here = (places >= 0) & (places < values.size)
        row[here] = values[places[here]]
    return scores


def reach(parts: Iterable[NDArray[np.float64]]) -> Reach:
    """Return how far a list reaches from the `marks` of its parts."""
    whole = np.fmax.reduce(list(parts))
    return Reach(*whole[:, :2].min(axis=0).tolist(), *whole[:, 2:].max(axis=0).tolist())
