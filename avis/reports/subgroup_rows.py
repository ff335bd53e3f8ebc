"""The error rates of every group of trials as a table."""

from collections.abc import Mapping
from typing import NamedTuple

from avis.metrics.figures import EER, FMR, FNMR, Figure
from avis.metrics.intervals import Interval, Intervals
from avis.metrics.subgroups import FDR, GARBE, LEAST_ERRORS, Group, RateOfErrors, Subgroups
from avis.reports.wording import WORDS, interval, percent


class Rate(NamedTuple):
    """How often one kind of error happens in a group: counts, rate and interval as text, and whether errors are few."""

    trials: str
    errors: str
    rate: str
    interval: str
    few: bool


class GroupRow(NamedTuple):
    """One group: misses, false alarms (None without such trials), and its own equal error rate, empty if unknown."""

    name: str
    misses: Rate | None
    false_alarms: Rate | None
    eer: str


class GroupTable(NamedTuple):
    """The groups of one column, and how fair the threshold is between them."""

    column: str
    threshold: str
    min_errors: int
    rows: list[GroupRow]
    fairness: str


def group_tables(subgroups: Mapping[str, Subgroups]) -> list[GroupTable]:
    """Return one table for each column by whose values there are subgroups."""
    return [
        GroupTable(
            column,
            f"{of_column.threshold:.4f}",
            LEAST_ERRORS,
            [_row(name, group) for name, group in of_column.groups.items()],
            _fairness(of_column),
        )
        for column, of_column in subgroups.items()
    ]


def _fairness(subgroups: Subgroups) -> str:
    """Say how fair the threshold is, and which groups that leaves out."""
    left_out = "; ".join(f"{name} ({why})" for name, why in subgroups.left_out.items())
    without = f" Left out of it: {left_out}." if left_out else ""
    if subgroups.fairness is None:
        return (
            "Fairness between groups is not stated: that takes two groups of known value with at least "
            f"{subgroups.min_trials:,} trials of each kind.{without}"
        )
    fdr, gini = (
        f"{subgroups.fairness[figure]:.4f}{_ends(subgroups.fairness_intervals, figure)}" for figure in (FDR, GARBE)
    )
    return f"Fairness of that threshold between groups: FDR {fdr} (1 is fair), GARBE {gini} (0 is fair).{without}"


def _ends(intervals: Intervals | None, figure: Figure) -> str:
    ends = intervals.figures.get(figure) if intervals else None
    return f" [{interval(ends, WORDS['min_dcf'])}]" if ends else ""


def _row(name: str, group: Group) -> GroupRow:
    return GroupRow(
        name,
        _rate(group.misses, group.intervals, FNMR),
        _rate(group.false_alarms, group.intervals, FMR),
        "" if group.figures is None else percent(group.figures[EER]),
    )


def _rate(errors: RateOfErrors, intervals: Intervals | None, figure: Figure) -> Rate | None:
    """Return a rate and its interval: that over speakers, or that of independent trials where it is wider.

    Drawing speakers says nothing of errors that never happened.
    """
    if errors.rate is None or errors.interval is None:
        return None
    low, high = errors.interval
    if intervals and intervals.figures:
        low, high = min(low, intervals.figures[figure].low), max(high, intervals.figures[figure].high)
    ends = interval(Interval(low, high), WORDS[figure.name])
    return Rate(f"{errors.trials:,}", f"{errors.errors:,}", percent(errors.rate), ends, errors.is_few)
