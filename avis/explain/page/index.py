"""One HTML page that leads to many explanations, with nothing outside the file."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote

from avis.explain.page.headline import Preset
from avis.explain.page.script import script
from avis.explain.page.wording import OUTCOMES, UNKNOWN, decimals, signed, signed_or_dash
from avis.reports.html import render
from avis.verifier.verdict import Outcome

TRUTHS = {True: "one person", False: "two people", None: UNKNOWN}
ERRORS = {"accept": "false accept", "reject": "false reject"}


class IndexRow(NamedTuple):
    """A trial, and where its page is.

    Attributes
    ----------
    enroll, test : str
        What was compared.
    target : bool or None
        Whether one person spoke both, if that is known.
    llr : float or None
        Log-likelihood ratio; the score where nothing is calibrated.
    llr_interval : (float, float) or None
    outcome : str
        As in `avis.verifier.verdict.Verdict`.
    verbal : str
        The ratio in words; empty where there are none.
    reason : str
        The strongest one.
    num_warnings : int
    page : str
        Path of its page, from the index on.
    """

    enroll: str
    test: str
    target: bool | None
    llr: float | None
    llr_interval: tuple[float, float] | None
    outcome: Outcome
    verbal: str
    reason: str
    num_warnings: int
    page: str

    @property
    def error(self) -> Literal["accept", "reject"] | None:
        """What was decided wrongly, if it is known that it was."""
        if self.target is False and self.outcome == "match":
            return "accept"
        return "reject" if self.target is True and self.outcome == "no_match" else None


def index_page(rows: Sequence[IndexRow], *, title: str, facts: Mapping[str, str], preset: Preset) -> str:
    """Return a self-contained page: a table of trials to sort and to filter, each with a link to its page.

    An examiner finds the evidence in words there, all others what was decided.

    Parameters
    ----------
    rows : sequence of IndexRow
        In the order in which they are shown first.
    title : str
    facts : mapping of str to str
        What was explained, shown in this order.
    preset : {"engineer", "researcher", "examiner"}
    """
    decides, counts = preset != "examiner", {"Trials": len(rows)}
    if decides:
        counts |= {f"{name.capitalize()}s": sum(row.error == error for row in rows) for error, name in ERRORS.items()}
    states: tuple[Outcome, ...] = ("unsure", "not_heard") if decides else ("not_heard",)
    counts |= {OUTCOMES[which]: sum(row.outcome == which for row in rows) for which in states}
    digits = decimals([row.llr for row in rows if row.llr is not None])
    return render(
        "index.html.j2",
        package="avis.explain.page",
        title=title,
        decides=decides,
        counts={name: f"{count:,}" for name, count in counts.items()},
        outcomes=OUTCOMES,
        errors=ERRORS,
        rows=[_view(row, digits) for row in rows],
        facts=facts,
        script=script("sort.js.j2"),
    )


def _view(row: IndexRow, digits: int) -> dict[str, str]:
    return {
        "page": quote(row.page),
        "enroll": row.enroll,
        "test": row.test,
        "target": TRUTHS[row.target],
        "llr": signed_or_dash(row.llr, digits),
        "interval": " to ".join(signed(end, digits) for end in row.llr_interval) if row.llr_interval else UNKNOWN,
        "outcome": row.outcome,
        "verbal": row.verbal or UNKNOWN,
        "error": row.error or "",
        "reason": row.reason,
        "warnings": f"{row.num_warnings:,}",
    }
