"""The figures of every group of trials at one shared threshold, and how fair that threshold is between groups.

A threshold of its own for every group would hide that a shared one, which is what is deployed, treats groups unlike.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.binomial import binomial_interval
from avis.metrics.bootstrap import Resampling, speaker_intervals
from avis.metrics.fairness import fairness_discrepancy_rate, garbe
from avis.metrics.figures import Wanted, figures, tally
from avis.metrics.scores import ceiling
from avis.metrics.trials import Trials

LEAST_ERRORS = 30
"""Rule of 30: with 30 errors the true rate lies within 30 % of the found one, at 90 % confidence.

Doddington et al., "The NIST speaker recognition evaluation", Speech Communication 31, 2000.
"""

MOST_GROUPS = 50
NUM_BINS = 4
UNKNOWN = "(unknown)"


def subgroups(
    trials: Trials,
    groups: ArrayLike,
    *,
    order: Sequence[str] | None = None,
    threshold: float,
    wanted: Wanted,
    resampling: Resampling,
) -> dict[str, Any]:
    """State the figures of each group of trials, all decided at one threshold.

    Parameters
    ----------
    trials
        The whole list.
    groups
        Name of each trial's group ``[trials]``; see `group_names` for making some from numbers.
    order
        All names in the order in which to state them; that of the alphabet if None.
    threshold
        Score from which trials are accepted: that of the whole list's equal error rate, or the deployed one.
    wanted
        What is to be stated.
    resampling
        How speakers are drawn for the intervals, and how confident these are.

    Returns
    -------
    dict
        ``groups``: for each name in order ``num_target``, ``num_nontarget``, ``misses``, ``false_alarms``, ``fnmr`` and
        ``fmr`` (None where there is no such trial), ``binomial_intervals`` of these two, ``few_errors`` (misses or
        false alarms below ``min_errors``), ``figures`` (see `avis.metrics.figures.figures`; None where one kind of
        trial is missing) and ``intervals`` (see `avis.metrics.bootstrap.speaker_intervals`; None likewise, and where
        the speakers are not known).
        Besides ``threshold``, ``min_errors``, and ``fdr`` and ``garbe`` over the groups that have both rates (None if
        fewer than two).

    Raises
    ------
    ValueError
        If there are more than 50 groups, or see `avis.metrics.scores.check`.
    """
    names = np.asarray(groups)
    known = np.unique(names) if order is None else np.array(order)
    if known.size > MOST_GROUPS:
        raise ValueError(
            f"Too many groups to compare: got {known.size} values, expected at most {MOST_GROUPS}. At {known[0]} for "
            "one. Choose a column with fewer values."
        )
    cells = {}
    for name in known:
        group = trials.take(names == name)
        cells[str(name)] = _cell(group, threshold=threshold, wanted=wanted, resampling=resampling)
    rates = [(cell["fmr"], cell["fnmr"]) for cell in cells.values() if cell["figures"] is not None]
    fair = len(rates) > 1
    fmr, fnmr = zip(*rates, strict=True) if fair else ((), ())
    return {
        "threshold": threshold,
        "min_errors": LEAST_ERRORS,
        "groups": cells,
        "fdr": fairness_discrepancy_rate(fmr, fnmr) if fair else None,
        "garbe": garbe(fmr, fnmr) if fair else None,
    }


def group_names(values: NDArray) -> tuple[NDArray[np.str_], list[str]]:
    """Return the name of each trial's group, and all names in order: numbers rise, what is unknown comes last.

    Numbers of many values are cut into quarters of about equal size.

    Parameters
    ----------
    values
        Any column ``[trials]``; None and NaN are unknown.

    Examples
    --------
    >>> names, order = group_names(np.array(["f", None], dtype=object))
    >>> names.tolist(), order
    (['f', '(unknown)'], ['f', '(unknown)'])
    >>> group_names(np.arange(80.0))[1]
    ['below 19.75', '19.75 to 39.5', '39.5 to 59.25', 'from 59.25']
    """
    if not np.issubdtype(values.dtype, np.number):
        names = np.array([UNKNOWN if value is None or value != value else str(value) for value in values], dtype=str)
        return names, sorted(set(names.tolist()), key=lambda name: (name == UNKNOWN, name))
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    if distinct.size <= NUM_BINS * NUM_BINS:
        names = np.where(known, np.array([f"{value:g}" for value in values], dtype=str), UNKNOWN)
        return names, _present([*(f"{value:g}" for value in distinct), UNKNOWN], names)
    edges = np.unique(np.quantile(values[known], np.arange(1, NUM_BINS) / NUM_BINS))
    labels = [f"below {edges[0]:g}"]
    labels += [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    labels += [f"from {edges[-1]:g}", UNKNOWN]
    bins = np.where(known, np.searchsorted(edges, values, side="right"), len(labels) - 1)
    names = np.array(labels)[bins]
    return names, _present(labels, names)


def _present(labels: Sequence[str], names: NDArray[np.str_]) -> list[str]:
    """Return each label that is a trial's, once, in the order of the labels."""
    found = set(names.tolist())
    return [label for label in dict.fromkeys(labels) if label in found]


def _cell(group: Trials, *, threshold: float, wanted: Wanted, resampling: Resampling) -> dict[str, Any]:
    target = np.asarray(group.target, dtype=bool)
    accepted = group.scores >= ceiling(np.array([threshold]), group.scores.dtype)[0]
    num_target = int(np.count_nonzero(target))
    counts = {
        "num_target": num_target,
        "num_nontarget": target.size - num_target,
        "misses": int(np.count_nonzero(target & ~accepted)),
        "false_alarms": int(np.count_nonzero(accepted & ~target)),
    }
    both = 0 < num_target < target.size
    pairs = {"fnmr": (counts["misses"], num_target), "fmr": (counts["false_alarms"], counts["num_nontarget"])}
    return {
        **counts,
        **{name: errors / trials if trials else None for name, (errors, trials) in pairs.items()},
        "binomial_intervals": {
            name: list(binomial_interval(errors, trials, resampling.confidence)) if trials else None
            for name, (errors, trials) in pairs.items()
        },
        "few_errors": min(counts["misses"], counts["false_alarms"]) < LEAST_ERRORS,
        "figures": figures(tally(*group[:3], wanted=wanted, threshold=threshold), wanted) if both else None,
        "intervals": speaker_intervals(group, resampling, wanted=wanted, threshold=threshold)
        if both and group.enroll_speaker is not None
        else None,
    }
