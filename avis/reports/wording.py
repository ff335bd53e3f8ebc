"""How figures, calibrations and fusions are put into words: names, meanings and number formats."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from avis.metrics.equalised import ACT, MIN
from avis.metrics.figures import PROTOCOL_ACT_DCF, PROTOCOL_MIN_DCF, Figure
from avis.metrics.intervals import Interval
from avis.metrics.list_metrics import CalibrationFacts, FusionFacts, LeftOut

NBSP = "\N{NO-BREAK SPACE}"
EER_THRESHOLD = Figure("eer_threshold")


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
"""Words by the names of figures, in reading order."""

PROTOCOL_COSTS = {PROTOCOL_MIN_DCF: "minDCF", PROTOCOL_ACT_DCF: "actDCF", MIN.name: "minDCF", ACT.name: "actDCF"}
"""Names of the costs of protocols, pooled and equalised."""


def describe(figure: Figure) -> Words:
    """Return the words for a figure of the table."""
    words = WORDS[figure.name]
    if not figure.at:
        return words
    keys = {"key": figure.at, "share": f"{100 * float(figure.at):g}{NBSP}%"}
    return words._replace(name=words.name.format(**keys), meaning=words.meaning.format(**keys))


def in_reading_order(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures that are in the table, in the order in which they are read."""
    order = list(WORDS)
    return sorted((figure for figure in figures if figure.name in WORDS), key=lambda figure: order.index(figure.name))


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.0231).replace(NBSP, " ")
    '2.31 %'
    """
    return f"{100 * share:.2f}{NBSP}%"


def value(number: float, words: Words) -> str:
    """Return a figure as text."""
    return percent(number) if words.percent else f"{number:.4f}"


def interval(ends: Interval | None, words: Words) -> str:
    """Return an interval as text, empty if there is none.

    >>> interval(Interval(0.019, 0.028), WORDS["eer"]).replace(NBSP, " ")
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


def difference_interval(ends: Interval | None, words: Words) -> str:
    """Return the interval of a difference as text, empty if there is none.

    >>> difference_interval(Interval(-0.02, 0.001), WORDS["cllr"]).replace(NBSP, " ")
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


def capped_at(calibration: CalibrationFacts) -> str:
    """Return where a calibration caps its likelihood ratios.

    >>> capped_at(CalibrationFacts(-2.0, 4.0, 6, 1200, 5000))
    'capped at -2.00 and 4.00 (7.4 to 1 against, 54.6 to 1 for the same speaker)'
    """
    lower, upper = calibration.lower, calibration.upper
    return (
        f"capped at {lower:.2f} and {upper:.2f} ({math.exp(-lower):,.1f} to 1 against, {math.exp(upper):,.1f} to 1 for "
        "the same speaker)"
    )


def fitted_on(calibration: CalibrationFacts) -> str:
    """Return how much the calibration was fitted on.

    >>> fitted_on(CalibrationFacts(-2.0, 4.0, 6, 1200, 5000))
    '6 speakers, 1,200 target and 5,000 non-target trials'
    """
    speakers = "unknown speakers" if calibration.num_speakers is None else f"{calibration.num_speakers:,} speakers"
    return f"{speakers}, {calibration.num_target:,} target and {calibration.num_nontarget:,} non-target trials"


def left_out(left: LeftOut) -> str:
    """Return what of a list was not scored, and why, as a sentence.

    >>> left_out(LeftOut(trials=12, of=144, utterances={"silent": 2, "unknown": 1}))
    '12 of 144 trials are left out, since the store lacks utterances that the list names: 2 silent, 1 unknown.'
    """
    reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in left.utterances.items())
    return (
        f"{left.trials:,} of {left.of:,} trials are left out, since the store lacks utterances that the list names: "
        f"{reasons}."
    )


def beyond_cap(calibration: CalibrationFacts, thresholds: Iterable[float]) -> list[float]:
    """Return those of some thresholds on log-likelihood ratios by which capped ratios are all decided one way.

    >>> beyond_cap(CalibrationFacts(-2.0, 4.0, 6, 1200, 5000), [-2.0, -1.9, 4.0, 4.6])
    [-2.0, 4.6]
    """
    return [threshold for threshold in thresholds if not calibration.lower < threshold <= calibration.upper]


def fused_systems(fusion: FusionFacts) -> str:
    """Return the systems with their weights and, where it is known, the equal error rate of each alone.

    >>> from avis.metrics.list_metrics import FusedSystem
    >>> systems = {"a": FusedSystem("a", "d", "score", 0.5, None), "b": FusedSystem("b", "e", "llr", 1.25, 0.02)}
    >>> fused_systems(FusionFacts(systems, -2.0)).replace(NBSP, " ")
    '0.5 of a (score), 1.25 of b (llr, EER 2.00 % alone), offset -2'
    """
    systems = [
        f"{system.weight:.4g} of {name} ({system.column}"
        + (")" if system.eer is None else f", EER {percent(system.eer)} alone)")
        for name, system in fusion.systems.items()
    ]
    return f"{', '.join(systems)}, offset {fusion.offset:.4g}"
