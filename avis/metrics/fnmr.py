"""False-non-match rate at a fixed false-match rate: how often the right person is refused at a stated security."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.scores import ErrorRates, error_rates


def fnmr_at_fmr(scores: ArrayLike, target: ArrayLike, fmr: float) -> float:
    """Return the lowest miss rate (FNMR) of all thresholds whose false-alarm rate (FMR) is at most ``fmr``.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `avis.metrics.scores.check`.
    fmr : float
        False-match rate allowed, as a fraction.

    Raises
    ------
    ValueError
        If ``fmr`` is not between 0 and 1, or see `avis.metrics.scores.check`.

    References
    ----------
    ISO/IEC 19795-1, biometric performance testing and reporting.

    Examples
    --------
    >>> fnmr_at_fmr([3, 2, 1, -0.5, 0.5, -1, -2, -3], [1, 1, 1, 1, 0, 0, 0, 0], 0.25)
    0.0
    """
    return fixed_fmr(error_rates(scores, target), fmr)


def fixed_fmr(rates: ErrorRates, fmr: float) -> float:
    """Return the miss rate from the curve of ``rates``; see `fnmr_at_fmr`."""
    if not 0.0 <= fmr <= 1.0:
        raise ValueError(f"A false-match rate is a share: got fmr={fmr}, expected 0 <= fmr <= 1.")
    return float(rates.misses[first_within(rates, fmr)] / rates.num_target)


def first_within(rates: ErrorRates, fmr: float) -> int:
    """Return the index of the lowest threshold whose false-alarm rate is at most ``fmr``."""
    return int(np.searchsorted(-rates.fpr, -fmr))
