"""The figures of every group of trials at one shared threshold, and how fair that threshold is between groups.

A threshold of its own for every group would hide that a shared one, which is what is deployed, treats groups unlike.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.binomial import binomial_interval
from avis.metrics.bootstrap import Resampling, speaker_intervals
from avis.metrics.fairness import fairness_discrepancy_rate, garbe
from avis.metrics.figures import Figure, Figures, FigureSet, count_errors, figures
from avis.metrics.intervals import Interval, Intervals
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


FDR, GARBE = Figure("fdr"), Figure("garbe")


class RateOfErrors(NamedTuple):
    """How often one kind of trial is decided wrongly in a group.

    Attributes
    ----------
    errors, trials : int
        Wrong decisions, and all trials of the kind.
    interval : Interval or None
        Interval of independent trials (see `avis.metrics.binomial.binomial_interval`); None without trials.
    """

    errors: int
    trials: int
    interval: Interval | None

    @property
    def rate(self) -> float | None:
        """Share of wrong decisions, None without trials."""
        return self.errors / self.trials if self.trials else None

    @property
    def is_few(self) -> bool:
        """Whether errors are so few that the rate is hardly more than a guess."""
        return self.errors < LEAST_ERRORS


@dataclass(frozen=True)
class Group:
    """Figures of one group of trials at the shared threshold.

    Parameters
    ----------
    misses, false_alarms : RateOfErrors
        Errors among target and among non-target trials.
    figures : Figures or None
        See `avis.metrics.figures.figures`; None where one kind of trial is missing.
    intervals : Intervals or None
        See `avis.metrics.bootstrap.speaker_intervals`; None likewise, and where the speakers are not known.
    """

    misses: RateOfErrors
    false_alarms: RateOfErrors
    figures: Figures | None
    intervals: Intervals | None


@dataclass(frozen=True)
class Subgroups:
    """Figures of every group of a column, and how fair the shared threshold is between them.

    Parameters
    ----------
    threshold : float
        Score from which trials of all groups are accepted.
    groups : dict of str to Group
        Groups by their names, in the order in which they are stated.
    min_trials : int
        Target trials, and as many non-target trials, that a group needs to count for fairness.
    left_out : dict of str to str
        Why a group does not count for fairness, by its name.
    fairness : Figures or None
        `FDR` and `GARBE` over the groups that count; None if these are fewer than two.
    fairness_intervals : Intervals or None
        Intervals of these two; None where there are none, or the speakers are not known.
    """

    threshold: float
    groups: dict[str, Group]
    min_trials: int
    left_out: dict[str, str]
    fairness: Figures | None
    fairness_intervals: Intervals | None


def subgroups(
    trials: Trials,
    groups: ArrayLike,
    *,
    order: Sequence[str] | None = None,
    threshold: float,
    min_trials: int,
    figure_set: FigureSet,
    resampling: Resampling,
) -> Subgroups:
    """Return the figures of each group of trials, all decided at one threshold.

    Parameters
    ----------
    trials : Trials
        The whole list.
    groups : array_like of str [trials]
        Name of each trial's group; see `group_names` for making some from numbers.
    order : sequence of str, optional
        All names in the order in which to state them; that of the alphabet if None.
    threshold : float
        Score from which trials are accepted: that of the whole list's equal error rate, or the deployed one.
    min_trials : int
        Target trials, and as many non-target trials, that a group needs to count for fairness: the rates of fewer are
        chance.
    figure_set : FigureSet
        Which figures are stated.
    resampling : Resampling
        How speakers are drawn for the intervals, and how confident these are.

    Raises
    ------
    ValueError
        If there are more than 50 groups, or see `avis.metrics.scores.check`.
    """
    names = np.asarray(groups)
    distinct = np.unique(names) if order is None else np.array(order)
    if distinct.size > MOST_GROUPS:
        raise ValueError(
            f"Too many groups to compare: got {distinct.size} values, expected at most {MOST_GROUPS}. At {distinct[0]} "
            "for one. Choose a column with fewer values."
        )
    by_name = {}
    for name in distinct:
        group = trials.take(names == name)
        by_name[str(name)] = _group(group, threshold=threshold, figure_set=figure_set, resampling=resampling)
    left_out = {name: why for name, group in by_name.items() if (why := _why_left_out(name, group, min_trials))}
    count = [name for name in by_name if name not in left_out]
    fairness = _fairness(trials, names, count, threshold=threshold, resampling=resampling)
    return Subgroups(threshold, by_name, min_trials, left_out, *fairness)


def _why_left_out(name: str, group: Group, min_trials: int) -> str:
    if name == UNKNOWN:
        return "nobody knows the value"
    few = min(group.misses.trials, group.false_alarms.trials) < max(min_trials, 1)
    return f"fewer than {min_trials} target or non-target trials" if few else ""


def _fairness(
    trials: Trials, names: NDArray, count: list[str], *, threshold: float, resampling: Resampling
) -> tuple[Figures | None, Intervals | None]:
    """Return how fair the threshold is between the groups that count, and intervals over their speakers."""
    if len(count) < 2:
        return None, None
    group = np.select([names == name for name in count], range(len(count)), default=-1)
    trials, group = trials.take(group >= 0), group[group >= 0]
    target, accepted = np.asarray(trials.target, dtype=bool), _accepted(trials.scores, threshold)

    def fairness(weights: NDArray[np.int64]) -> Figures | None:
        kinds = (target, ~target, target & ~accepted, accepted & ~target)
        sums = [np.bincount(group, weights * kind, minlength=len(count)) for kind in kinds]
        if not (sums[0].all() and sums[1].all()):
            return None
        rates = sums[3] / sums[1], sums[2] / sums[0]
        return {FDR: fairness_discrepancy_rate(*rates), GARBE: garbe(*rates)}

    of_list = fairness(np.ones(group.size, dtype=np.int64))
    return of_list, None if trials.enroll_speaker is None else weighted_intervals(trials, resampling, fairness)


def _accepted(scores: NDArray, threshold: float) -> NDArray[np.bool_]:
    return scores >= ceiling(np.array([threshold]), scores.dtype)[0]


def group_names(values: NDArray) -> tuple[NDArray[np.str_], list[str]]:
    """Return the name of each trial's group, and all names in order: numbers rise, what is unknown comes last.

    Numbers of many values are cut into quarters of about equal size.

    Parameters
    ----------
    values : array [trials]
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
        labels = [*_distinct(distinct), UNKNOWN]
        names = np.array(labels)[np.where(known, np.searchsorted(distinct, values), -1)]
        return names, _present(labels, names)
    edges = np.unique(np.quantile(values[known], np.arange(1, NUM_BINS) / NUM_BINS))
    spelled = _distinct(edges)
    labels = [f"below {spelled[0]}", *(f"{low} to {high}" for low, high in itertools.pairwise(spelled))]
    labels += [f"from {spelled[-1]}", UNKNOWN]
    bins = np.where(known, np.searchsorted(edges, values, side="right"), -1)
    names = np.array(labels)[bins]
    return names, _present(labels, names)


def _distinct(numbers: NDArray) -> list[str]:
    """Write different numbers with as few digits, but at least six, as tell them apart.

    >>> _distinct(np.array([0.5, 20180101, 20180102]))
    ['0.5', '20180101', '20180102']
    """
    digits = 6
    while len({f"{number:.{digits}g}" for number in numbers}) < len(numbers):
        digits += 1
    return [f"{number:.{digits}g}" for number in numbers]


def _present(labels: Sequence[str], names: NDArray[np.str_]) -> list[str]:
    """Return each label that is a trial's, once, in the order of the labels."""
    present = set(names.tolist())
    return [label for label in dict.fromkeys(labels) if label in present]


def _group(trials: Trials, *, threshold: float, figure_set: FigureSet, resampling: Resampling) -> Group:
    target = np.asarray(trials.target, dtype=bool)
    accepted = _accepted(trials.scores, threshold)
    misses, false_alarms = (
        _rate(wrong[kind], resampling.confidence) for kind, wrong in ((target, ~accepted), (~target, accepted))
    )
    if not (misses.trials and false_alarms.trials):
        return Group(misses, false_alarms, None, None)
    values = figures(count_errors(*trials[:3], figure_set=figure_set, threshold=threshold), figure_set)
    intervals = None
    if trials.enroll_speaker is not None:
        intervals = speaker_intervals(trials, resampling, figure_set=figure_set, threshold=threshold)
    return Group(misses, false_alarms, values, intervals)


def _rate(wrong: NDArray[np.bool_], confidence: float) -> RateOfErrors:
    errors = int(np.count_nonzero(wrong))
    return RateOfErrors(
        errors, wrong.size, Interval(*binomial_interval(errors, wrong.size, confidence)) if wrong.size else None
    )
