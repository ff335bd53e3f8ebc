"""What an evaluation's page shows, as plain data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from avis.reports.worst_trials import Trial


class ListReport(NamedTuple):
    """One trial list.

    Attributes
    ----------
    name
        Of the list.
    metrics
        As in ``metrics.json``: at least what `avis.metrics.summary.summarize` returns; ``intervals`` (see
        `avis.metrics.bootstrap.speaker_intervals`) or None and ``intervals_note``; ``subgroups`` by column (see
        `avis.metrics.subgroups.subgroups`), ``identification`` or ``identification_note`` and ``baseline`` where asked
        for; ``calibration`` (see `avis.evaluation.evaluate.evaluate`) where it is known.
    pictures
        PNG files by kind, a key of `avis.reports.html.PICTURES`.
    false_accepts, false_rejects
        The highest scoring non-targets, and the lowest scoring targets, from the worst on.
    facts
        What the list is, shown in this order.
    flagged
        What the checks of the list counted, by check (see `avis.scoring.trial_checks.TrialChecks.apply`).
    warnings
        What the scoring warned of, in sentences.
    """

    name: str
    metrics: Mapping[str, Any]
    pictures: Mapping[str, bytes] = {}
    false_accepts: Sequence[Trial] = ()
    false_rejects: Sequence[Trial] = ()
    facts: Mapping[str, str] = {}
    flagged: Mapping[str, int] = {}
    warnings: Sequence[str] = ()


class Report(NamedTuple):
    """A whole page: its title, the trial lists, and what was evaluated, shown in this order."""

    title: str
    lists: list[ListReport]
    facts: Mapping[str, str]
