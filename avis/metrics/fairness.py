"""Fairness between groups of people at one shared threshold, from the two error rates of each group."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.5
"""Weight of the false-match rate against the false-non-match rate that the papers plot most."""


def fairness_discrepancy_rate(fmr: ArrayLike, fnmr: ArrayLike, *, alpha: float = ALPHA) -> float:
    """Return 1 less the weighted largest differences between groups: 1 is fair, 0 as unfair as can be.

    Parameters
    ----------
    fmr, fnmr : array_like [groups]
        False-match and false-non-match rate of each group as fractions ``[groups]``, at one threshold.
    alpha : float
        Weight of the false-match rate, between 0 and 1.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or a rate or weight is no share.

    References
    ----------
    de Freitas Pereira and Marcel, "Fairness in Biometrics: a figure of merit to assess biometric verification systems",
    2021, equation 7, https://arxiv.org/abs/2011.02395.

    Examples
    --------
    >>> round(fairness_discrepancy_rate([0.01, 0.02, 0.03], [0.05, 0.04, 0.03]), 6)
    0.98
    """
    matches, nonmatches = _checked(fmr, fnmr, alpha)
    return float(1.0 - (alpha * np.ptp(matches) + (1.0 - alpha) * np.ptp(nonmatches)))


def garbe(fmr: ArrayLike, fnmr: ArrayLike, *, alpha: float = ALPHA) -> float:
    """Return the weighted Gini coefficients of both rates over groups: 0 is fair, 1 as unfair as can be.

    Unlike `fairness_discrepancy_rate` it compares rates relative to their mean, so that small rates count as well.
    Rates that are all nought are equal.

    Parameters
    ----------
    fmr, fnmr, alpha : array_like, array_like and float
        See `fairness_discrepancy_rate`.

    Raises
    ------
    ValueError
        See `fairness_discrepancy_rate`.

    References
    ----------
    Howard et al., "Evaluating proposed fairness models for face recognition algorithms", 2022, section 4.4
    (Gini aggregation rate for biometric equitability), https://arxiv.org/abs/2203.05051.

    Examples
    --------
    >>> round(garbe([0.01, 0.02, 0.03], [0.05, 0.04, 0.03]), 6)
    0.25
    """
    matches, nonmatches = _checked(fmr, fnmr, alpha)
    return alpha * _gini(matches) + (1.0 - alpha) * _gini(nonmatches)


def _gini(rates: NDArray[np.float64]) -> float:
    """Return the Gini coefficient with the correction for few groups."""
    if not rates.any():
        return 0.0
    groups = rates.size
    differences = np.abs(rates[:, None] - rates[None, :]).sum()
    return float(groups / (groups - 1) * differences / (2 * groups**2 * rates.mean()))


def _checked(fmr: ArrayLike, fnmr: ArrayLike, alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matches, nonmatches = np.asarray(fmr, dtype=np.float64), np.asarray(fnmr, dtype=np.float64)
    if matches.ndim != 1 or matches.shape != nonmatches.shape or matches.size < 2:
        raise ValueError(
            f"Fairness compares groups: got fmr={list(matches.shape)} and fnmr={list(nonmatches.shape)}, expected both "
            "rates of at least two groups."
        )
    shares = np.concatenate([matches, nonmatches, [alpha]])
    if not np.all((shares >= 0.0) & (shares <= 1.0)):
        raise ValueError(
            f"Rates and their weight are shares: got fmr={matches.tolist()}, fnmr={nonmatches.tolist()} and "
            f"alpha={alpha}, expected numbers between 0 and 1."
        )
    return matches, nonmatches
