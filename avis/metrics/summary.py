"""The figures that every evaluation states about one trial list."""

import numpy as np
from numpy.typing import ArrayLike

from avis.metrics.dcf import minimum_cost
from avis.metrics.eer import crossing
from avis.metrics.roc import accuracy, area
from avis.metrics.scores import check, error_rates

P_TARGETS = (0.01, 0.05)
"""Priors at which the minimum detection cost is stated: VoxCeleb papers, and VoxSRC."""


def summarize(scores: ArrayLike, target: ArrayLike) -> dict:
    """Return all standard figures of one trial list; rates are fractions.

    Parameters
    ----------
    scores, target
        See `avis.metrics.scores.check`.

    Returns
    -------
    dict
        ``eer``, ``eer_threshold``, ``min_dcf`` (keyed by the prior as text), ``auc``, ``accuracy`` (at the EER
        threshold), ``num_target`` and ``num_nontarget``: plain Python numbers, ready for JSON.

    Raises
    ------
    ValueError
        See `avis.metrics.scores.check`.

    Examples
    --------
    >>> summarize([2, 1, 0, -1], [True, True, False, False])["min_dcf"]
    {'0.01': 0.0, '0.05': 0.0}
    """
    values, known = check(scores, target)
    rates = error_rates(values, known)
    eer, threshold = crossing(rates)
    num_target = int(np.count_nonzero(known))
    return {
        "eer": eer,
        "eer_threshold": threshold,
        "min_dcf": {f"{p_target:g}": minimum_cost(rates, p_target=p_target) for p_target in P_TARGETS},
        "auc": area(rates),
        "accuracy": accuracy(values, known, threshold),
        "num_target": num_target,
        "num_nontarget": known.size - num_target,
    }
