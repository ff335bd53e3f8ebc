"""Name, format and meaning of every figure that an evaluation states."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NBSP = "\N{NO-BREAK SPACE}"
Path = tuple[str, ...]


class Words(NamedTuple):
    """What a figure is called, what it says in one sentence, and whether it is a share, shown in percent.

    ``{key}`` stands for the prior or rate that the figure is stated at, ``{share}`` for the same in percent.
    """

    name: str
    meaning: str
    percent: bool = False


WORDS = {
    "eer": Words("Equal error rate", "At one threshold both kinds of error are this frequent.", percent=True),
    "min_dcf": Words(
        "minDCF ({key})",
        "Lowest cost of errors where {share} of trials are by the same speaker; 0 is perfect, 1 is no better than "
        "refusing or accepting everyone.",
    ),
    "act_dcf": Words(
        "actDCF ({key})",
        "That cost at the threshold which the likelihood ratios themselves imply; what it has above minDCF is lost to "
        "calibration.",
    ),
    "cllr": Words("Cllr", "Cost of the likelihood ratios over all thresholds in bits; 0 is perfect, 1 says nothing."),
    "min_cllr": Words("minCllr", "That cost after the best calibration these trials allow, in bits."),
    "calibration_loss": Words("Calibration loss", "Cllr less minCllr: what better calibration could save, in bits."),
    "fnmr_at_fmr": Words(
        "FNMR at FMR {share}",
        "Same-speaker trials rejected where at most {share} of different-speaker trials are accepted.",
        percent=True,
    ),
    "fnmr": Words("Miss rate", "Same-speaker trials rejected at the EER threshold.", percent=True),
    "fmr": Words("False-alarm rate", "Different-speaker trials accepted at the EER threshold.", percent=True),
    "accuracy": Words("Accuracy", "Share of trials decided correctly at the EER threshold.", percent=True),
    "auc": Words(
        "Area under the curve",
        "How often a same-speaker trial outscores a different-speaker one; 0.5 is guessing, 1 is perfect.",
    ),
    "eer_rocch": Words("ROCCH EER", "Equal error rate on the convex hull of the error curve.", percent=True),
    "eer_threshold": Words("EER threshold", "Trials scoring at least this much are accepted there."),
}
"""In reading order, by the first key of a figure in ``metrics.json``."""

PROTOCOL_COSTS = {"min": "minDCF", "act": "actDCF"}


def describe(path: Path) -> Words | None:
    """Return the words for the figure at this path of ``metrics.json``, or None if it is not one of the table's."""
    words = WORDS.get(path[0])
    if words is None or len(path) == 1:
        return words
    keys = {"key": path[1], "share": f"{100 * float(path[1]):g}{NBSP}%"}
    return words._replace(name=words.name.format(**keys), meaning=words.meaning.format(**keys))


def in_reading_order(figures: Mapping[Path, Any]) -> list[Path]:
    """Return the paths of the table's figures, in the order in which they are read."""
    order = list(WORDS)
    return sorted((path for path in figures if path[0] in WORDS), key=lambda path: order.index(path[0]))


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.0231).replace(NBSP, " ")
    '2.31 %'
    """
    return f"{100 * share:.2f}{NBSP}%"


def value(number: float, words: Words) -> str:
    """Return a figure as text."""
    return percent(number) if words.percent else f"{number:.4f}"


def interval(ends: list[float] | None, words: Words) -> str:
    """Return an interval as text, empty if there is none.

    >>> interval([0.019, 0.028], WORDS["eer"]).replace(NBSP, " ")
    '1.90 to 2.80 %'
    """
    if ends is None:
        return ""
    low, high = (f"{100 * end:.2f}" if words.percent else f"{end:.4f}" for end in ends)
    return f"{low} to {high}{' %' if words.percent else ''}".replace(" ", NBSP)


def difference(number: float, words: Words) -> str:
    """Return a difference of two figures as text, with its sign; shares differ by percentage points.

    >>> difference(-0.0177, WORDS["eer"]).replace(NBSP, " ")
    '−1.77 points'
    """
    return _signed(number, words) + (f"{NBSP}points" if words.percent else "")


def difference_interval(ends: list[float] | None, words: Words) -> str:
    """Return the interval of a difference as text, empty if there is none.

    >>> difference_interval([-0.02, 0.001], WORDS["cllr"]).replace(NBSP, " ")
    '−0.0200 to +0.0010'
    """
    if ends is None:
        return ""
    text = " to ".join(_signed(end, words) for end in ends)
    return f"{text}{' points' if words.percent else ''}".replace(" ", NBSP)


def _signed(number: float, words: Words) -> str:
    text = f"{100 * number:+.2f}" if words.percent else f"{number:+.4f}"
    return text.replace("-", "\N{MINUS SIGN}")


def p_value(number: float | None) -> str:
    """Return a p-value as text, empty if there is none.

    >>> p_value(0.0004)
    'below 0.001'
    """
    if number is None:
        return ""
    return f"{number:.3f}" if number >= 0.001 else "below 0.001"
