"""What ``metrics.json`` holds of a trial list: typed metrics to JSON, and back as far as comparing runs needs them."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from avis.metrics.figures import (
    ACT_DCF,
    FMR,
    FNMR_AT_FMR,
    MIN_DCF,
    PROTOCOL_ACT_DCF,
    PROTOCOL_MIN_DCF,
    Figure,
    Figures,
)
from avis.metrics.identification import IdentificationFigures
from avis.metrics.intervals import Differences, Draws, Interval, Intervals
from avis.metrics.list_metrics import Baseline, ListFigures, ListMetrics
from avis.metrics.subgroups import LEAST_ERRORS, Group, Subgroups
from avis.metrics.summary import Summary

_DCF = "dcf"
_KINDS = {PROTOCOL_MIN_DCF: "min", PROTOCOL_ACT_DCF: "act"}
"""Costs of a protocol lie in ``dcf.<protocol>`` under these keys."""

_AT_SEVERAL = (FNMR_AT_FMR, MIN_DCF, ACT_DCF)
_BESIDE_FIGURES = ("eer_threshold", "reversed", "num_target", "num_nontarget")

Value = TypeVar("Value")


def to_json(metrics: ListMetrics) -> dict[str, Any]:
    """Return metrics as plain data."""
    tree = {**_summary(metrics.summary), "intervals": _intervals(metrics.intervals)}
    if metrics.intervals_note is not None:
        tree["intervals_note"] = metrics.intervals_note
    if metrics.identification is not None:
        tree["identification"] = _identification(metrics.identification)
    elif metrics.identification_note is not None:
        tree |= {"identification": None, "identification_note": metrics.identification_note}
    if metrics.subgroups:
        tree["subgroups"] = {column: _subgroups(groups) for column, groups in metrics.subgroups.items()}
    if metrics.dcf_equalised:
        tree["dcf_equalised"] = {
            protocol: {
                **_nested(equalised.costs),
                "columns": list(equalised.columns),
                "num_partitions": equalised.num_partitions,
                "num_left_out": equalised.num_left_out,
                "intervals": _intervals(equalised.intervals),
            }
            for protocol, equalised in metrics.dcf_equalised.items()
        }
    if metrics.baseline is not None:
        tree["baseline"] = _baseline(metrics.baseline)
    for key, facts in (("fusion", metrics.fusion), ("calibration", metrics.calibration)):
        if facts is not None:
            tree[key] = dataclasses.asdict(facts)
    if metrics.trained_on is not None:
        tree["trained_on"] = metrics.trained_on
    return {**tree, "scores": metrics.scores}


def from_json(tree: Mapping[str, Any]) -> ListFigures:
    """Return the figures that every list has; what some lists have besides is not read."""
    own = {key: tree[key] for key in _BESIDE_FIGURES}
    drawn = tree["intervals"]
    intervals = None
    if drawn:
        figures = {figure: Interval(*ends) for figure, ends in _leaves(drawn["figures"] or {})}
        intervals = Intervals(figures, Draws(**{key: drawn[key] for key in Draws._fields}))
    return ListFigures(
        summary=Summary(dict(_leaves(tree)), **own),
        intervals=intervals,
        intervals_note=tree.get("intervals_note"),
        scores=tree["scores"],
    )


def _nested(figures: Mapping[Figure, Value], plain: Callable[[Value], Any] = lambda value: value) -> dict[str, Any]:
    """Return figures with those of one name, or of one protocol, below one key."""
    tree: dict[str, Any] = {}
    for (name, at), value in figures.items():
        if name in _KINDS:
            tree.setdefault(_DCF, {}).setdefault(at, {})[_KINDS[name]] = plain(value)
        elif at:
            tree.setdefault(name, {})[at] = plain(value)
        else:
            tree[name] = plain(value)
    return tree


def _leaves(tree: Mapping[str, Any]) -> Iterator[tuple[Figure, Any]]:
    """Yield what `_nested` laid out, leaving out what are no figures."""
    for key, value in tree.items():
        if key == _DCF:
            yield from (
                (Figure(name, protocol), costs[kind])
                for protocol, costs in value.items()
                for name, kind in _KINDS.items()
                if kind in costs
            )
        elif key in _AT_SEVERAL:
            yield from ((Figure(key, at), inner) for at, inner in value.items())
        elif key not in _BESIDE_FIGURES and not isinstance(value, Mapping | str | None):
            yield Figure(key), value


def _all_figures(figures: Figures) -> dict[str, Any]:
    """Return all figures of some trials; the key of those at false-match rates is there even without any."""
    tree: dict[str, Any] = {}
    for key, value in _nested(figures).items():
        tree[key] = value
        if key == FMR.name:
            tree[FNMR_AT_FMR] = {}
    return tree


def _summary(summary: Summary) -> dict[str, Any]:
    return {**_all_figures(summary.figures), **{key: getattr(summary, key) for key in _BESIDE_FIGURES}}


def _intervals(intervals: Intervals | None) -> dict[str, Any] | None:
    if intervals is None:
        return None
    return {"figures": _nested(intervals.figures, list) or None, **intervals.draws._asdict()}


def _identification(figures: IdentificationFigures) -> dict[str, Any]:
    return {
        **dataclasses.asdict(figures),
        "closed_set": {str(rank): accuracy for rank, accuracy in figures.closed_set.items()},
        "open_set": {f"{rate:g}": reached._asdict() for rate, reached in figures.open_set.items()},
    }


def _subgroups(groups: Subgroups) -> dict[str, Any]:
    fairness = {"fdr": None, "garbe": None} if groups.fairness is None else _nested(groups.fairness)
    return {
        "threshold": groups.threshold,
        "min_errors": LEAST_ERRORS,
        "groups": {name: _group(group) for name, group in groups.groups.items()},
        "min_trials": groups.min_trials,
        "left_out": groups.left_out,
        **fairness,
        "fairness_intervals": _intervals(groups.fairness_intervals),
    }


def _group(group: Group) -> dict[str, Any]:
    misses, false_alarms = group.misses, group.false_alarms
    rates = {"fnmr": misses, "fmr": false_alarms}
    return {
        "num_target": misses.trials,
        "num_nontarget": false_alarms.trials,
        "misses": misses.errors,
        "false_alarms": false_alarms.errors,
        **{name: rate.rate for name, rate in rates.items()},
        "binomial_intervals": {
            name: None if rate.interval is None else list(rate.interval) for name, rate in rates.items()
        },
        "few_errors": misses.is_few or false_alarms.is_few,
        "figures": None if group.figures is None else _all_figures(group.figures),
        "intervals": _intervals(group.intervals),
    }


def _baseline(baseline: Baseline) -> dict[str, Any]:
    return {
        "scores": baseline.scores,
        "metrics": _summary(baseline.summary),
        "differences": _differences(baseline.differences),
    }


def _differences(differences: Differences) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "figures": _nested(
            differences.figures,
            lambda each: {**each._asdict(), "interval": None if each.interval is None else list(each.interval)},
        )
    }
    if differences.draws is None:
        return {**tree, "intervals_note": differences.note}
    return tree | differences.draws._asdict()
