"""Say in sentences what the headline figures of a trial list mean."""

from avis.metrics.figures import ACT_DCF, EER, FMR, FNMR
from avis.metrics.intervals import Differences
from avis.metrics.list_metrics import ListMetrics
from avis.metrics.summary import Summary
from avis.reports.wording import WORDS, difference, difference_interval, interval, p_value, percent

MOST_UNEQUAL = 0.1
"""Share of the equal error rate by which both kinds of error may differ at its threshold and be called equal."""


def reading(metrics: ListMetrics) -> list[str]:
    """Return how to read the headline, sentence by sentence."""
    sentences = [_headline(metrics.summary)]
    intervals = metrics.intervals
    if intervals and intervals.figures and intervals.figures[EER].has_width:
        draws = intervals.draws
        sentences.append(
            f"With other speakers of the same kind it may as well be {interval(intervals.figures[EER], WORDS['eer'])} "
            f"({100 * draws.confidence:g} % interval from {draws.num_draws:,} draws of these "
            f"{draws.num_speakers:,} speakers)."
        )
    sentences.append(
        "minDCF is the cost of errors where 1 % of trials are by the same speaker, at the best threshold; 1 is no "
        "better than refusing everyone."
    )
    if any(figure.name == ACT_DCF for figure in metrics.summary.figures):
        sentences.append(
            "actDCF is that cost at the threshold which the likelihood ratios imply, without looking at the answers. "
            "Cllr says over all thresholds how much the likelihood ratios can be trusted: 0 is perfect, 1 worthless."
        )
    if metrics.baseline:
        sentences.append(verdict(metrics.baseline.differences))
    return sentences


def _headline(summary: Summary) -> str:
    """Say what the equal error rate means, also where tied scores leave no threshold that makes errors equal."""
    eer, fnmr, fmr = (summary.figures[figure] for figure in (EER, FNMR, FMR))
    at = f"At a score of {summary.eer_threshold:.4g}"
    one_trial = 1.0 / min(summary.num_target, summary.num_nontarget)
    if abs(fnmr - fmr) > max(MOST_UNEQUAL * eer, one_trial):
        return (
            f"{at} {percent(fnmr)} of same-speaker trials are rejected and {percent(fmr)} of different-speaker trials "
            "accepted: too many scores are tied for a threshold at which both kinds of error are equally frequent. The "
            f"equal error rate, {percent(eer)}, is interpolated between two thresholds."
        )
    odds = f", about 1 trial in {1 / eer:,.0f}" if 0.0 < eer <= 0.3 else ""
    return (
        f"{at} both kinds of error are equally frequent: {percent(eer)} of same-speaker trials are rejected and as "
        f"many different-speaker trials accepted{odds}."
    )


def verdict(differences: Differences, *, other: str = "the baseline") -> str:
    """Say whether the equal error rate differs from another system's.

    Parameters
    ----------
    differences : Differences
        Figures of this system less the other's.
    other : str
        What that system is called.
    """
    eer, words = differences.figures[EER], WORDS["eer"]
    if eer.difference == 0.0:
        return f"The equal error rate is that of {other}."
    better = "lower" if eer.difference < 0 else "higher"
    size = difference(abs(eer.difference), words).lstrip("+")
    sentence = f"The equal error rate is {size} {better} than that of {other}"
    if eer.p_value is None:
        return f"{sentence}; whether that is chance is not known."
    p = p_value(eer.p_value)
    certainty = f"(interval {difference_interval(eer.interval, words)}, p {p if p.startswith('below') else f'= {p}'})"
    if differences.is_beyond_chance(EER):
        return f"{sentence}, more than chance explains {certainty}."
    return f"{sentence}, which may be chance {certainty}."
