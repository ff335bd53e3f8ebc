"""What an evaluation's page shows, as plain data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from avis.metrics.list_metrics import ListMetrics
from avis.reports.cautions import cautions
from avis.reports.worst_trials import Trial


class ListReport(NamedTuple):
    """One trial list.

    Attributes
    ----------
    name : str
        Name of the list.
    metrics : ListMetrics
        What is said of it.
    pictures : mapping of str to bytes
        PNG files by kind, a key of `avis.reports.html.PICTURES`.
    false_accepts, false_rejects : sequence of Trial
        The highest scoring non-targets, and the lowest scoring targets, from the worst on.
    facts : mapping of str to str
        What the list is, shown in this order.
    flagged : mapping of str to int
        What the checks of the list counted, by check (see `avis.scoring.trial_checks.TrialChecks.apply`).
    warnings : sequence of str
        What the scoring warned of, in sentences.
    """

    name: str
    metrics: ListMetrics
    pictures: Mapping[str, bytes] = {}
    false_accepts: Sequence[Trial] = ()
    false_rejects: Sequence[Trial] = ()
    facts: Mapping[str, str] = {}
    flagged: Mapping[str, int] = {}
    warnings: Sequence[str] = ()

    @property
    def cautions(self) -> list[str]:
        """What should keep a reader from believing the figures too much, in sentences."""
        return [*self.warnings, *cautions(self.metrics, self.flagged)]


class Report(NamedTuple):
    """A whole page: its title, the trial lists, and what was evaluated, shown in this order."""

    title: str
    lists: list[ListReport]
    facts: Mapping[str, str]
