"""Bayes error curves: the cost of decisions at every prior, as they are and at best."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.convex_hull import hull
from avis.metrics.error_curve import ErrorCurve, error_curve


class BayesErrorCurves(NamedTuple):
    """Normalised costs over the prior.

    Attributes
    ----------
    log_odds : float64 [priors]
        Natural-log odds of the effective target prior, rising.
    actual, minimum : float64 [priors]
        Cost of the decisions that the scores imply (`avis.metrics.dcf.act_dcf`), and of those at the best threshold
        (`avis.metrics.dcf.min_dcf`), at that prior and unit costs.
    """

    log_odds: NDArray[np.float64]
    actual: NDArray[np.float64]
    minimum: NDArray[np.float64]


def bayes_error_curves(llr: ArrayLike, target: ArrayLike, log_odds: ArrayLike) -> BayesErrorCurves:
    """Return actual and minimum normalised cost over prior log odds.

    Parameters
    ----------
    llr, target : array_like [trials]
        Log-likelihood ratios (natural logarithm) and answers; see `avis.metrics.scores.check`.
    log_odds : array_like [priors]
        Natural-log odds of the target prior ``[priors]``.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Brümmer and de Villiers, "The BOSARIS Toolkit", 2011, section on the normalized Bayes error-rate plot.

    Examples
    --------
    >>> bayes_error_curves([1, 1, -1, -1], [True, True, False, False], [-2, 0, 2]).actual
    array([1., 0., 1.])
    """
    return bayes_error_of(error_curve(llr, target), log_odds)


def bayes_error_of(llrs: ErrorCurve, log_odds: ArrayLike) -> BayesErrorCurves:
    """Return the curves of a list that was counted before; see `bayes_error_curves`."""
    odds = np.sort(np.asarray(log_odds, dtype=np.float64))
    decided, corners = llrs.rates_at(-odds[::-1]), hull(llrs.rates)
    prior = 1.0 / (1.0 + np.exp(-odds))
    actual = _cost(prior, decided.fnr[::-1], decided.fpr[::-1])
    minimum = np.array([_cost(each, corners.fnr, corners.fpr).min() for each in prior])
    return BayesErrorCurves(odds, actual, minimum)


def _cost(prior: NDArray | float, fnr: NDArray, fpr: NDArray) -> NDArray[np.float64]:
    return (prior * fnr + (1.0 - prior) * fpr) / np.minimum(prior, 1.0 - prior)
