"""The table of identification figures: who of the enrolled it is, and whether it is any of them."""

from typing import NamedTuple

from avis.metrics.identification import IdentificationFigures
from avis.reports.wording import NBSP, percent


class IdentificationRow(NamedTuple):
    """One figure as text: its name, its value, and what it says in plain words."""

    name: str
    value: str
    meaning: str


def identification_rows(figures: IdentificationFigures) -> list[IdentificationRow]:
    """Return the rows of the table: closed set by rank, then open set by false-alarm rate."""
    closed = [
        IdentificationRow(
            f"Closed set, rank {rank}",
            percent(accuracy),
            "Probes of enrolled speakers for whom nobody else scores as much."
            if rank == 1
            else f"Probes of enrolled speakers who are among the {rank} that score best.",
        )
        for rank, accuracy in figures.closed_set.items()
    ]
    opened = [
        IdentificationRow(
            f"Open set, false alarms {100 * rate:g}{NBSP}%",
            percent(reached.rate),
            f"Probes of enrolled speakers found and named first, at the threshold {reached.threshold:.4f} that "
            f"{percent(reached.false_alarm_rate)} of strangers' probes reach.",
        )
        for rate, reached in figures.open_set.items()
    ]
    return closed + opened
