"""Detection cost function: the price of the two kinds of error at a stated prior and stated costs."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.operating_point import OperatingPoint
from avis.metrics.scores import ErrorRates, error_rates, sort_scores


def min_dcf(scores: ArrayLike, target: ArrayLike, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the normalised detection cost at the best threshold.

    Parameters
    ----------
    scores, target : array_like
        See `avis.metrics.scores.check`.
    p_target, c_miss, c_fa : float
        See `avis.metrics.operating_point.OperatingPoint`.

    Returns
    -------
    float
        Cost divided by that of the better of accepting every trial and rejecting every trial, so at most 1.

    Raises
    ------
    ValueError
        If the prior or a cost is out of range, or see `avis.metrics.scores.check`.

    References
    ----------
    NIST 2016 Speaker Recognition Evaluation Plan, section 3.1 (cost model and normalisation).

    Examples
    --------
    >>> min_dcf([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0], p_target=0.01)
    0.25
    """
    return minimum_cost(error_rates(scores, target), p_target=p_target, c_miss=c_miss, c_fa=c_fa)


def act_dcf(llr: ArrayLike, target: ArrayLike, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the normalised detection cost of the decisions that the scores themselves imply.

    Parameters
    ----------
    llr, target : array_like
        Log-likelihood ratios (natural logarithm) and answers; see `avis.metrics.scores.check`. Raw scores such as
        cosines are none.
    p_target, c_miss, c_fa : float
        See `avis.metrics.operating_point.OperatingPoint`; a trial is accepted from its ``threshold`` on.

    Returns
    -------
    float
        At least `min_dcf`; 1 for a system that says nothing, and more for one that is wrongly sure of itself.

    Raises
    ------
    ValueError
        See `min_dcf`.

    Examples
    --------
    >>> act_dcf([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0], p_target=0.5)
    0.5
    """
    point = OperatingPoint(p_target, c_miss, c_fa)
    return float(costs(sort_scores(llr, target).rates_at([point.threshold]), point)[0])


def minimum_cost(rates: ErrorRates, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the lowest normalised cost along the curve of ``rates``; see `min_dcf`."""
    return float(costs(rates, OperatingPoint(p_target, c_miss, c_fa)).min())


def costs(rates: ErrorRates, point: OperatingPoint) -> np.ndarray:
    """Return the normalised cost at every threshold of ``rates``: float64 ``[thresholds]``."""
    return np.asarray(cost(rates.fnr, rates.fpr, point))


def cost(fnr: ArrayLike, fpr: ArrayLike, point: OperatingPoint) -> Any:
    """Return the normalised cost of a miss rate and a false-alarm rate, or of an array of each."""
    miss_cost = point.c_miss * point.p_target
    false_alarm_cost = point.c_fa * (1.0 - point.p_target)
    least = min(miss_cost, false_alarm_cost)
    return miss_cost / least * np.asarray(fnr) + false_alarm_cost / least * np.asarray(fpr)
