"""The error rates of every group of trials as a table."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from avis.reports.figure_words import WORDS, interval, percent


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


def group_tables(subgroups: Mapping[str, Mapping[str, Any]]) -> list[GroupTable]:
    """Return one table per column.

    Parameters
    ----------
    subgroups
        For each column, the result of `avis.metrics.subgroups.subgroups`.
    """
    return [
        GroupTable(
            column,
            f"{found['threshold']:.4f}",
            found["min_errors"],
            [_row(name, cell, found["min_errors"]) for name, cell in found["groups"].items()],
            _fairness(found),
        )
        for column, found in subgroups.items()
    ]


def _fairness(found: Mapping[str, Any]) -> str:
    """Say how fair the threshold is, and which groups that leaves out."""
    left_out = "; ".join(f"{name} ({why})" for name, why in found["left_out"].items())
    without = f" Left out of it: {left_out}." if left_out else ""
    if found["fdr"] is None:
        return (
            "Fairness between groups is not stated: that takes two groups of known value with at least "
            f"{found['min_trials']:,} trials of each kind.{without}"
        )
    fdr, gini = (f"{found[figure]:.4f}{_ends(found, figure)}" for figure in ("fdr", "garbe"))
    return f"Fairness of that threshold between groups: FDR {fdr} (1 is fair), GARBE {gini} (0 is fair).{without}"


def _ends(found: Mapping[str, Any], figure: str) -> str:
    drawn = found["fairness_intervals"] and found["fairness_intervals"]["figures"]
    return f" [{interval(drawn[figure], WORDS['min_dcf'])}]" if drawn else ""


def _row(name: str, cell: Mapping[str, Any], min_errors: int) -> GroupRow:
    return GroupRow(
        name,
        _rate(cell, "fnmr", trials=cell["num_target"], errors=cell["misses"], min_errors=min_errors),
        _rate(cell, "fmr", trials=cell["num_nontarget"], errors=cell["false_alarms"], min_errors=min_errors),
        "" if cell["figures"] is None else percent(cell["figures"]["eer"]),
    )


def _rate(cell: Mapping[str, Any], kind: str, *, trials: int, errors: int, min_errors: int) -> Rate | None:
    """Return a rate and its interval: that over speakers, or that of independent trials where it is wider.

    Drawing speakers says nothing of errors that never happened.
    """
    if not trials:
        return None
    low, high = cell["binomial_intervals"][kind]
    drawn = cell["intervals"] and cell["intervals"]["figures"]
    if drawn:
        low, high = min(low, drawn[kind][0]), max(high, drawn[kind][1])
    return Rate(
        f"{trials:,}", f"{errors:,}", percent(cell[kind]), interval([low, high], WORDS[kind]), errors < min_errors
    )
