"""The table of identification figures: who of the enrolled it is, and whether it is any of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from avis.reports.figure_words import NBSP, percent


class IdentificationRow(NamedTuple):
    """One figure as text: its name, its value, and what it says in plain words."""

    name: str
    value: str
    meaning: str


def identification_rows(stated: Mapping[str, Any]) -> list[IdentificationRow]:
    """Return the rows of the table.

    Parameters
    ----------
    stated
        ``identification`` of ``metrics.json``; see `avis.evaluation.identification.Identification.stated`.
    """
    closed = [
        IdentificationRow(
            f"Closed set, rank {rank}",
            percent(accuracy),
            "Probes of enrolled speakers for whom nobody else scores as much."
            if rank == "1"
            else f"Probes of enrolled speakers who are among the {rank} that score best.",
        )
        for rank, accuracy in stated["closed_set"].items()
    ]
    opened = [
        IdentificationRow(
            f"Open set, false alarms {100 * float(rate):g}{NBSP}%",
            percent(found["rate"]),
            f"Probes of enrolled speakers found and named first, at the threshold {found['threshold']:.4f} that "
            f"{percent(found['false_alarm_rate'])} of strangers' probes reach.",
        )
        for rate, found in stated["open_set"].items()
    ]
    return closed + opened
