"""Detection costs to which every part of a list contributes alike, as NIST computes them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.metrics.bootstrap import Flat, Resampling
from avis.metrics.dcf import cost
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.protocols import PARTITIONS
from avis.metrics.scores import ceiling
from avis.metrics.subgroups import UNKNOWN, group_names
from avis.metrics.trials import Trials
from avis.metrics.weighted_intervals import weighted_intervals


def equalised_costs(
    trials: Trials,
    columns: Mapping[str, NDArray],
    *,
    protocols: Mapping[str, tuple[OperatingPoint, ...]],
    resampling: Resampling | None,
) -> dict[str, Any]:
    """State the costs of every protocol by whose conditions the list can be parted.

    Miss and false-alarm rates are means over the parts that have such trials, and the minimum is at one threshold for
    all parts. Non-targets from the target's own phone number are no impostors and belong to no part.

    Parameters
    ----------
    trials
        The whole list.
    columns
        Conditions of the trials ``[trials]``, by the names that `avis.metrics.protocols.PARTITIONS` has for them.
    protocols
        Operating points by name.
    resampling
        How speakers are drawn for the intervals, where they are known; None states none.

    Returns
    -------
    dict
        For each protocol ``min`` and, with log-likelihood ratios, ``act``; ``columns``, ``num_partitions``,
        ``num_left_out`` (trials that belong to no part) and ``intervals`` (see
        `avis.metrics.weighted_intervals.weighted_intervals`; None where there are none).

    References
    ----------
    NIST 2018 Speaker Recognition Evaluation: its plan, section 3.1, and its scoring software.
    """
    named = {name: np.char.lower(group_names(values)[0]) for name, values in columns.items()}
    stated = {}
    for name, conditions in PARTITIONS.items():
        if name not in protocols or not set(conditions) <= set(named):
            continue
        partition = _partition(named, conditions, np.asarray(trials.target, dtype=bool))
        inside = trials.take(partition >= 0)
        if not 0 < np.count_nonzero(inside.target) < inside.target.size:
            continue
        number = np.unique(partition[partition >= 0], return_inverse=True)[1]
        costs = _Costs(inside, number, protocols[name])
        found = costs(np.ones(number.size, dtype=np.int64))
        assert found is not None, "there are trials of both kinds"
        drawn = resampling is not None and trials.enroll_speaker is not None
        stated[name] = {
            **{key[0]: value for key, value in found.items()},
            "columns": list(conditions),
            "num_partitions": int(number.max()) + 1,
            "num_left_out": int(np.count_nonzero(partition < 0)),
            "intervals": weighted_intervals(inside, resampling, costs) if drawn and resampling else None,
        }
    return stated


def condition_columns(available: Collection[str]) -> list[str]:
    """Return those of the available columns by which `equalised_costs` parts a list."""
    wanted = [set(conditions) for conditions in PARTITIONS.values() if set(conditions) <= set(available)]
    return sorted(set().union(*wanted))


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


class _Costs:
    """States minimum and actual cost of trials that count with weights."""

    def __init__(self, trials: Trials, partition: NDArray[np.int64], points: tuple[OperatingPoint, ...]) -> None:
        self.target, self.partition, self.points = np.asarray(trials.target, dtype=bool), partition, points
        self.order = np.argsort(trials.scores, kind="stable")
        self.changes = np.flatnonzero(np.diff(trials.scores[self.order])) + 1  # equal scores are decided together
        self.accepted = [] if trials.llr is None else list(_decisions(trials.llr, points))

    def __call__(self, weights: NDArray[np.int64]) -> Flat | None:
        kinds = [self._shares(kind, weights) for kind in (self.target, ~self.target)]
        if any(shares is None for shares in kinds):
            return None
        of_targets, of_nontargets = kinds
        below = [np.concatenate(([0.0], np.cumsum(shares[self.order]))) for shares in kinds]
        at = np.concatenate(([0], self.changes, [self.order.size]))
        fnr, fpr = below[0][at], below[1][-1] - below[1][at]
        found: Flat = {("min",): float(np.mean([cost(fnr, fpr, point).min() for point in self.points]))}
        if self.accepted:
            rates = [(of_targets[~accepted].sum(), of_nontargets[accepted].sum()) for accepted in self.accepted]
            actual = [cost(*each, point) for each, point in zip(rates, self.points, strict=True)]
            found["act",] = float(np.mean(actual))
        return found

    def _shares(self, kind: NDArray[np.bool_], weights: NDArray[np.int64]) -> Any:
        """Return what each trial contributes to the rate of its kind, or None if there is no such trial."""
        counted = weights * kind
        totals = np.bincount(self.partition, counted)
        parts = np.count_nonzero(totals)
        return counted / (np.maximum(totals, 1.0) * parts)[self.partition] if parts else None


def _decisions(llr: NDArray, points: tuple[OperatingPoint, ...]) -> Iterator[NDArray[np.bool_]]:
    for threshold in ceiling(np.array([point.threshold for point in points]), llr.dtype):
        yield llr >= threshold
