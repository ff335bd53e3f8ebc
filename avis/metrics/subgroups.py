"""The figures of every group of trials at one shared threshold, and how fair that threshold is between groups.

A threshold of its own for every group would hide that a shared one, which is what is deployed, treats groups unlike.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.binomial import binomial_interval
from avis.metrics.bootstrap import Flat, Resampling, speaker_intervals
from avis.metrics.fairness import fairness_discrepancy_rate, garbe
from avis.metrics.figures import Wanted, figures, tally
from avis.metrics.scores import ceiling
from avis.metrics.trials import Trials
from avis.metrics.weighted_intervals import weighted_intervals

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
    min_trials: int,
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
    min_trials
        Target trials, and as many non-target trials, that a group needs to count for fairness: the rates of fewer are
        chance.
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
        Besides ``threshold``, ``min_errors``, ``min_trials``, ``left_out`` (why a group does not count for fairness, by
        its name), ``fdr`` and ``garbe`` over the groups that do (None if fewer than two), and ``fairness_intervals`` of
        these two (see `avis.metrics.weighted_intervals.weighted_intervals`; None where they or the speakers are not
        known).

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
    left_out = {name: why for name, cell in cells.items() if (why := _why_left_out(name, cell, min_trials))}
    counted = [name for name in cells if name not in left_out]
    return {
        "threshold": threshold,
        "min_errors": LEAST_ERRORS,
        "groups": cells,
        "min_trials": min_trials,
        "left_out": left_out,
        **_fairness(trials, names, counted, threshold=threshold, resampling=resampling),
    }


def _why_left_out(name: str, cell: dict[str, Any], min_trials: int) -> str:
    if name == UNKNOWN:
        return "nobody knows the value"
    few = min(cell["num_target"], cell["num_nontarget"]) < max(min_trials, 1)
    return f"fewer than {min_trials} target or non-target trials" if few else ""


def _fairness(
    trials: Trials, names: NDArray, counted: list[str], *, threshold: float, resampling: Resampling
) -> dict[str, Any]:
    """Return how fair the threshold is between the groups that count, and intervals over their speakers."""
    if len(counted) < 2:
        return {"fdr": None, "garbe": None, "fairness_intervals": None}
    group = np.select([names == name for name in counted], range(len(counted)), default=-1)
    trials, group = trials.take(group >= 0), group[group >= 0]
    target, accepted = np.asarray(trials.target, dtype=bool), _accepted(trials.scores, threshold)

    def fairness(weights: NDArray[np.int64]) -> Flat | None:
        kinds = (target, ~target, target & ~accepted, accepted & ~target)
        counts = [np.bincount(group, weights * kind, minlength=len(counted)) for kind in kinds]
        if not (counts[0].all() and counts[1].all()):
            return None
        rates = counts[3] / counts[1], counts[2] / counts[0]
        return {("fdr",): fairness_discrepancy_rate(*rates), ("garbe",): garbe(*rates)}

    found = fairness(np.ones(group.size, dtype=np.int64))
    assert found is not None, "a group that counts has both kinds of trial"
    known = trials.enroll_speaker is not None
    return {
        **{key[0]: value for key, value in found.items()},
        "fairness_intervals": weighted_intervals(trials, resampling, fairness) if known else None,
    }


def _accepted(scores: NDArray, threshold: float) -> NDArray[np.bool_]:
    return scores >= ceiling(np.array([threshold]), scores.dtype)[0]


def group_names(values: NDArray) -> tuple[NDArray[np.str_], list[str]]:
    """Return the name of each trial's group, and all names in order: numbers rise, what is unknown comes last.

    Numbers of many values are cut into quarters of about equal size.

    Parameters
    ----------
    values
        Any column ``[trials]``; None, NaN and blanks are unknown.

    Examples
    --------
    >>> names, order = group_names(np.array(["f", None], dtype=object))
    >>> names.tolist(), order
    (['f', '(unknown)'], ['f', '(unknown)'])
    >>> group_names(np.arange(80.0))[1]
    ['below 19.75', '19.75 to 39.5', '39.5 to 59.25', 'from 59.25']
    """
    if not np.issubdtype(values.dtype, np.number):
        known = [value is not None and value == value and str(value).strip() for value in values]
        names = np.array([str(value) if there else UNKNOWN for value, there in zip(values, known, strict=True)])
        return names, sorted(set(names.tolist()), key=lambda name: (name == UNKNOWN, name))
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    if distinct.size <= NUM_BINS * NUM_BINS:
        labels = [*_told_apart(distinct), UNKNOWN]
        names = np.array(labels)[np.where(known, np.searchsorted(distinct, values), -1)]
        return names, _present(labels, names)
    edges = np.unique(np.quantile(values[known], np.arange(1, NUM_BINS) / NUM_BINS))
    spelled = _told_apart(edges)
    labels = [f"below {spelled[0]}", *(f"{low} to {high}" for low, high in itertools.pairwise(spelled))]
    labels += [f"from {spelled[-1]}", UNKNOWN]
    bins = np.where(known, np.searchsorted(edges, values, side="right"), -1)
    names = np.array(labels)[bins]
    return names, _present(labels, names)


def _told_apart(numbers: NDArray) -> list[str]:
    """Write different numbers with as few digits, but at least six, as tell them apart.

    >>> _told_apart(np.array([0.5, 20180101, 20180102]))
    ['0.5', '20180101', '20180102']
    """
    digits = 6
    while len({f"{number:.{digits}g}" for number in numbers}) < len(numbers):
        digits += 1
    return [f"{number:.{digits}g}" for number in numbers]


def _present(labels: Sequence[str], names: NDArray[np.str_]) -> list[str]:
    """Return each label that is a trial's, once, in the order of the labels."""
    found = set(names.tolist())
    return [label for label in dict.fromkeys(labels) if label in found]


def _cell(group: Trials, *, threshold: float, wanted: Wanted, resampling: Resampling) -> dict[str, Any]:
    target = np.asarray(group.target, dtype=bool)
    accepted = _accepted(group.scores, threshold)
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
