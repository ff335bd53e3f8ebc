"""Pool-adjacent-violators: the best calibration that keeps the order of the scores."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.cllr import LN2, softplus
from avis.metrics.convex_hull import hull
from avis.metrics.scores import ErrorRates, error_rates


class PavCurve(NamedTuple):
    """A rising staircase from scores to log-likelihood ratios, for looking at and not for use on other trials.

    Attributes
    ----------
    scores : float64 [stairs]
        Lowest score of each stair, rising.
    llr : float64 [stairs]
        Natural-log likelihood ratio from there up to the next stair, rising; ``-inf`` where only non-targets lie and
        ``inf`` where only targets do.
    """

    scores: NDArray[np.float64]
    llr: NDArray[np.float64]


def min_cllr(scores: ArrayLike, target: ArrayLike) -> float:
    """Return the cost of log-likelihood ratios after the best calibration that keeps the order of the scores.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`; any scores will do, only their order counts.

    Returns
    -------
    float
        Cost in bits, from 0 (kinds of trial are apart) to 1 (scores say nothing).

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Brümmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20,
    2006, section 6.

    Examples
    --------
    >>> min_cllr([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0])
    0.25
    """
    return minimum_cllr(hull(error_rates(scores, target)))


def pav_curve(scores: ArrayLike, target: ArrayLike) -> PavCurve:
    """Return the best calibration that keeps the order of the scores, on these very trials.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> pav_curve([3, 2, 1, 0], [True, False, True, False])
    PavCurve(scores=array([0., 1., 3.]), llr=array([-inf,   0.,  inf]))
    """
    return pav_of(hull(error_rates(scores, target)))


def minimum_cllr(corners: ErrorRates) -> float:
    """Return minCllr from the corners of `avis.metrics.convex_hull.hull`; see `min_cllr`."""
    targets, nontargets = np.diff(corners.misses), -np.diff(corners.false_alarms)
    mixed = (targets > 0) & (nontargets > 0)  # where one kind lies alone, its cost is nought
    llr = pav_of(corners).llr[mixed]
    of_targets = np.sum(targets[mixed] * softplus(-llr)) / corners.num_target
    of_nontargets = np.sum(nontargets[mixed] * softplus(llr)) / corners.num_nontarget
    return float(of_targets + of_nontargets) / (2 * LN2)


def pav_of(corners: ErrorRates) -> PavCurve:
    """Return the staircase from the corners of `avis.metrics.convex_hull.hull`; see `pav_curve`."""
    targets, nontargets = np.diff(corners.misses), -np.diff(corners.false_alarms)
    with np.errstate(divide="ignore"):
        llr = np.log(targets) - np.log(nontargets) - np.log(corners.num_target / corners.num_nontarget)
    return PavCurve(corners.thresholds[:-1], llr)
