"""Detection cost function: the price of the two kinds of error at a stated prior and stated costs."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.scores import ErrorRates, error_rates


def min_dcf(scores: ArrayLike, target: ArrayLike, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the normalised detection cost at the best threshold.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.
    p_target
        Prior probability of a target trial where the system is used, between 0 and 1.
    c_miss, c_fa
        Cost of rejecting a target and of accepting a non-target; both 1 in the VoxCeleb and NIST protocols since 2010.

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


def minimum_cost(rates: ErrorRates, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the lowest normalised cost along the curve of ``rates``; see `min_dcf`."""
    if not 0.0 < p_target < 1.0:
        raise ValueError(f"The target prior is a probability: got p_target={p_target}, expected 0 < p_target < 1.")
    if not (0.0 < c_miss < np.inf and 0.0 < c_fa < np.inf):
        raise ValueError(f"Error costs are positive: got c_miss={c_miss} and c_fa={c_fa}, expected numbers above 0.")
    miss_cost = c_miss * p_target
    false_alarm_cost = c_fa * (1.0 - p_target)
    cost = miss_cost * rates.fnr + false_alarm_cost * rates.fpr
    return float(cost.min() / min(miss_cost, false_alarm_cost))
