"""Exact confidence interval of a rate, for errors that happen independently."""

import math
from statistics import NormalDist

import numpy as np

_HALVINGS = 60
_PLENTY = 10_000


def binomial_interval(errors: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the interval that holds the true rate with at least the stated confidence.

    Trials that share speakers are not independent: the interval is then too narrow, though it says what `no errors` is
    worth where drawing speakers says nothing. Above 10 000 errors it is Wilson's, which is then as good.

    Parameters
    ----------
    errors, trials : int
        Wrong decisions, and decisions.
    confidence : float
        Share of such intervals that hold the true rate, between 0 and 1.

    Raises
    ------
    ValueError
        If there are no trials, or more errors than trials.

    References
    ----------
    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934.

    Examples
    --------
    >>> [round(limit, 4) for limit in binomial_interval(30, 3000, 0.95)]
    [0.0068, 0.0142]
    """
    if not 0 <= errors <= trials or trials < 1:
        raise ValueError(
            f"A rate needs trials: got errors={errors} and trials={trials}, expected 0 <= errors <= trials."
        )
    if 2 * errors > trials:
        low, high = binomial_interval(trials - errors, trials, confidence)
        return 1.0 - high, 1.0 - low
    tail = (1.0 - confidence) / 2.0
    if errors > _PLENTY:
        return _wilson(errors, trials, tail)
    low = 0.0 if errors == 0 else _solve(errors - 1, trials, 1.0 - tail)
    return low, _solve(errors, trials, tail)


def _solve(most: int, trials: int, probability: float) -> float:
    """Return the rate at which at most ``most`` errors have this probability, by halving the interval."""
    count = np.arange(1, most + 1)
    ways = np.concatenate(([0.0], np.cumsum(np.log(trials - count + 1) - np.log(count))))
    count = np.arange(most + 1)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        rate = (low + high) / 2.0
        terms = ways + count * math.log(rate) + (trials - count) * math.log1p(-rate)
        if np.exp(terms).sum() > probability:
            low = rate
        else:
            high = rate
    return (low + high) / 2.0


def _wilson(errors: int, trials: int, tail: float) -> tuple[float, float]:
    deviate = NormalDist().inv_cdf(1.0 - tail)
    rate, share = errors / trials, deviate**2 / trials
    half = deviate * math.sqrt(rate * (1.0 - rate) / trials + share / (4 * trials))
    return (rate + share / 2 - half) / (1 + share), (rate + share / 2 + half) / (1 + share)
