"""Tippett curves: how often likelihood ratios of both kinds of trial reach a value."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.error_curve import ErrorCurve, error_curve


class TippettCurves(NamedTuple):
    """Shares of trials whose likelihood ratio is at least a value.

    Attributes
    ----------
    log10_lr : float64 [points]
        Values, evenly spaced, in base 10 as forensic reports have them, 0 among them.
    same, different : float64 [points]
        Shares of target and of non-target trials at or above each, both falling: float64 ``[points]``. At 0,
        ``1 - same`` and ``different`` are the rates of misleading evidence.
    """

    log10_lr: NDArray[np.float64]
    same: NDArray[np.float64]
    different: NDArray[np.float64]


def tippett_curves(llr: ArrayLike, target: ArrayLike, *, num_points: int = 401) -> TippettCurves:
    """Return the shares of both kinds of trial at or above each of some likelihood ratios.

    Parameters
    ----------
    llr, target : array_like [trials]
        Log-likelihood ratios (natural logarithm) and answers; see `avis.metrics.scores.check`.
    num_points : int
        Values from the lowest to the highest ratio; 0 comes on top of them.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Meuwly, "Reconnaissance de locuteurs en sciences forensiques", thesis, Lausanne 2001 (the form with two curves).

    Examples
    --------
    >>> tippett_curves([0, 2.302585092994046, 0], [True, True, False], num_points=2).same
    array([1. , 0.5])
    """
    return tippett_of(error_curve(llr, target), num_points=num_points)


def tippett_of(llrs: ErrorCurve, *, num_points: int = 401) -> TippettCurves:
    """Return the curves of a list that was counted before; see `tippett_curves`."""
    points = np.union1d(np.linspace(llrs.reach.lowest, llrs.reach.highest, num_points), [0.0])
    rates = llrs.rates_at(points)
    return TippettCurves(points / np.log(10.0), 1.0 - rates.fnr, rates.fpr)
