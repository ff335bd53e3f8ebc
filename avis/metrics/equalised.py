"""Detection costs to which every part of a list contributes alike, as NIST computes them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avis.metrics.bootstrap import Resampling
from avis.metrics.dcf import cost
from avis.metrics.figures import Figure, Figures
from avis.metrics.intervals import Intervals
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.protocols import PARTITIONS
from avis.metrics.scores import ceiling
from avis.metrics.subgroups import UNKNOWN, group_names
from avis.metrics.trials import Trials
from avis.metrics.weighted_intervals import weighted_intervals

MIN, ACT = Figure("min"), Figure("act")


@dataclass(frozen=True)
class EqualisedCosts:
    """Costs of a protocol to which every part of the list contributes alike.

    Parameters
    ----------
    costs : Figures
        `MIN` and, with log-likelihood ratios, `ACT`.
    columns : tuple of str
        Conditions by which the list was parted.
    num_partitions : int
        Parts of the list.
    num_left_out : int
        Trials that belong to no part.
    intervals : Intervals or None
        Intervals of the costs; None where speakers were not drawn.
    """

    costs: Figures
    columns: tuple[str, ...]
    num_partitions: int
    num_left_out: int
    intervals: Intervals | None


def equalised_costs(
    trials: Trials,
    columns: Mapping[str, NDArray],
    *,
    protocols: Mapping[str, tuple[OperatingPoint, ...]],
    resampling: Resampling | None,
) -> dict[str, EqualisedCosts]:
    """Return the costs, by name, of every protocol by whose conditions the list can be parted.

    Miss and false-alarm rates are means over the parts that have such trials, and the minimum is at one threshold for
    all parts. Non-targets from the target's own phone number are no impostors and belong to no part.

    Parameters
    ----------
    trials : Trials
        The whole list.
    columns : mapping of str to array [trials]
        Conditions of the trials, by the names that `avis.metrics.protocols.PARTITIONS` has for them.
    protocols : mapping of str to tuple of OperatingPoint
        Operating points by name.
    resampling : Resampling or None
        How speakers are drawn for the intervals, where they are known; None states none.

    References
    ----------
    NIST 2018 Speaker Recognition Evaluation: its plan, section 3.1, and its scoring software.
    """
    named = {name: np.char.lower(group_names(values)[0]) for name, values in columns.items()}
    by_protocol = {}
    for name, conditions in PARTITIONS.items():
        if name not in protocols or not set(conditions) <= set(named):
            continue
        partition = _partition(named, conditions, np.asarray(trials.target, dtype=bool))
        inside = trials.take(partition >= 0)
        if not 0 < np.count_nonzero(inside.target) < inside.target.size:
            continue
        number = np.unique(partition[partition >= 0], return_inverse=True)[1]
        weighted = _WeightedCosts(inside, number, protocols[name])
        costs = weighted(np.ones(number.size, dtype=np.int64))
        assert costs is not None, "there are trials of both kinds"
        intervals = None
        if resampling is not None and trials.enroll_speaker is not None:
            intervals = weighted_intervals(inside, resampling, weighted)
        left_out = int(np.count_nonzero(partition < 0))
        by_protocol[name] = EqualisedCosts(costs, tuple(conditions), int(number.max()) + 1, left_out, intervals)
    return by_protocol


def condition_columns(available: Collection[str]) -> list[str]:
    """Return those of the available columns by which `equalised_costs` parts a list."""
    used = [set(conditions) for conditions in PARTITIONS.values() if set(conditions) <= set(available)]
    return sorted(set().union(*used))


def _partition(
    named: Mapping[str, NDArray[np.str_]], conditions: Mapping[str, tuple[str, ...]], target: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return a number for the values of each trial's conditions, -1 where it belongs to no part."""
    number, inside = np.zeros(target.size, dtype=np.int64), np.ones(target.size, dtype=bool)
    for column, allowed in conditions.items():
        values, code = np.unique(named[column], return_inverse=True)
        number = number * values.size + code
        inside &= np.isin(named[column], allowed) if allowed else named[column] != UNKNOWN
    inside &= target | (named["phone_num_match"] != "y")
    return np.where(inside, number, -1)


class _WeightedCosts:
    """Returns minimum and actual cost of trials that count with weights."""

    def __init__(self, trials: Trials, partition: NDArray[np.int64], points: tuple[OperatingPoint, ...]) -> None:
        self.target, self.partition, self.points = np.asarray(trials.target, dtype=bool), partition, points
        self.order = np.argsort(trials.scores, kind="stable")
        self.changes = np.flatnonzero(np.diff(trials.scores[self.order])) + 1  # equal scores are decided together
        self.accepted = [] if trials.llr is None else list(_decisions(trials.llr, points))

    def __call__(self, weights: NDArray[np.int64]) -> Figures | None:
        of_targets, of_nontargets = (self._shares(kind, weights) for kind in (self.target, ~self.target))
        if of_targets is None or of_nontargets is None:
            return None
        below = [np.concatenate(([0.0], np.cumsum(shares[self.order]))) for shares in (of_targets, of_nontargets)]
        at = np.concatenate(([0], self.changes, [self.order.size]))
        fnr, fpr = below[0][at], below[1][-1] - below[1][at]
        costs = {MIN: float(np.mean([cost(fnr, fpr, point).min() for point in self.points]))}
        if self.accepted:
            rates = [(of_targets[~accepted].sum(), of_nontargets[accepted].sum()) for accepted in self.accepted]
            actual = [cost(*each, point) for each, point in zip(rates, self.points, strict=True)]
            costs[ACT] = float(np.mean(actual))
        return costs

    def _shares(self, kind: NDArray[np.bool_], weights: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return what each trial contributes to the rate of its kind, or None if there is no such trial."""
        counted = weights * kind
        totals = np.bincount(self.partition, counted)
        parts = np.count_nonzero(totals)
        return counted / (np.maximum(totals, 1.0) * parts)[self.partition] if parts else None


def _decisions(llr: NDArray, points: tuple[OperatingPoint, ...]) -> Iterator[NDArray[np.bool_]]:
    for threshold in ceiling(np.array([point.threshold for point in points]), llr.dtype):
        yield llr >= threshold
