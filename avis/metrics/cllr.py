"""Cost of log-likelihood ratios: how good and how well calibrated they are, over all operating points at once."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.scores import PIECE, check

LN2 = math.log(2.0)


def cllr(llr: ArrayLike, target: ArrayLike) -> float:
    """Return the cost of log-likelihood ratios.

    Parameters
    ----------
    llr, target : array_like [trials]
        Log-likelihood ratios (natural logarithm; forensic reports use base 10) and answers ``[trials]``; see
        `avis.metrics.scores.check`. Raw scores such as cosines are none.

    Returns
    -------
    float
        Cost in bits: 0 is perfect, 1 says nothing (all ratios 1); there is no upper bound. The difference to
        `avis.metrics.pav.min_cllr` is the calibration loss.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    References
    ----------
    Brümmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20,
    2006, equation 40.

    Examples
    --------
    >>> cllr([0, 0, 0], [True, True, False])
    1.0
    """
    values, is_target = check(llr, target)
    return mean_of_kinds(values[is_target], values[~is_target])


def mean_of_kinds(targets: NDArray, nontargets: NDArray) -> float:
    """Return the cost from the log-likelihood ratios of each kind ``[trials]``, in any order; see `cllr`."""
    of_targets = total_cost(targets, target=True) / targets.size
    return (of_targets + total_cost(nontargets, target=False) / nontargets.size) / 2


def total_cost(llr: NDArray, *, target: bool) -> float:
    """Return what all trials of one kind cost together, in bits."""
    pieces = (llr[first : first + PIECE] for first in range(0, llr.size, PIECE))
    return math.fsum(float(costs(piece, target=target).sum()) for piece in pieces)


def costs(llr: NDArray, *, target: bool) -> NDArray[np.float64]:
    """Return what each trial of one kind costs, in bits: float64 ``[trials]``."""
    values = llr.astype(np.float64)
    return softplus(-values if target else values) / LN2


def softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``ln(1 + exp(x))``, without overflow and exact for very negative ``x``; as `numpy.logaddexp`, but fast."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
