"""Say in sentences what the headline figures of a trial list mean."""

from collections.abc import Mapping
from typing import Any

from avis.metrics.bootstrap import beyond_chance, has_width
from avis.reports.figure_words import WORDS, difference, difference_interval, interval, p_value, percent

MOST_UNEQUAL = 0.1
"""Share of the equal error rate by which both kinds of error may differ at its threshold and be called equal."""


def reading(metrics: Mapping[str, Any]) -> list[str]:
    """Return how to read the headline, sentence by sentence.

    Parameters
    ----------
    metrics
        See `avis.reports.page.ListReport`.
    """
    sentences = [_headline(metrics)]
    intervals = metrics.get("intervals")
    if intervals and intervals["figures"] and has_width(intervals["figures"]["eer"]):
        sentences.append(
            f"With other speakers of the same kind it may as well be {_eer_interval(intervals)} "
            f"({100 * intervals['confidence']:g} % interval from {intervals['num_draws']:,} draws of these "
            f"{intervals['num_speakers']:,} speakers)."
        )
    sentences.append(
        "minDCF is the cost of errors where 1 % of trials are by the same speaker, at the best threshold; 1 is no "
        "better than refusing everyone."
    )
    if "act_dcf" in metrics:
        sentences.append(
            "actDCF is that cost at the threshold which the likelihood ratios imply, without looking at the answers. "
            "Cllr says over all thresholds how much the likelihood ratios can be trusted: 0 is perfect, 1 worthless."
        )
    if "baseline" in metrics:
        sentences.append(verdict(metrics["baseline"]))
    return sentences


def _headline(metrics: Mapping[str, Any]) -> str:
    """Say what the equal error rate means, also where tied scores leave no threshold that makes errors equal."""
    eer, fnmr, fmr = metrics["eer"], metrics["fnmr"], metrics["fmr"]
    at = f"At a score of {metrics['eer_threshold']:.4g}"
    one_trial = 1.0 / min(metrics["num_target"], metrics["num_nontarget"])
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


def verdict(compared: Mapping[str, Any], *, other: str = "the baseline") -> str:
    """Say whether the equal error rate differs from another system's.

    Parameters
    ----------
    compared
        See `avis.reports.html.difference_rows`.
    other
        What that system is called.
    """
    found, words = compared["differences"]["figures"]["eer"], WORDS["eer"]
    if found["difference"] == 0.0:
        return f"The equal error rate is that of {other}."
    better = "lower" if found["difference"] < 0 else "higher"
    size = difference(abs(found["difference"]), words).lstrip("+")
    said = f"The equal error rate is {size} {better} than that of {other}"
    if found["p_value"] is None:
        return f"{said}; whether that is chance is not known."
    ends = difference_interval(found["interval"], words)
    if beyond_chance(found["p_value"], compared["differences"]["confidence"]):
        return f"{said}, more than chance explains (interval {ends}, p {_p(found)})."
    return f"{said}, which may be chance (interval {ends}, p {_p(found)})."


def _p(found: Mapping[str, Any]) -> str:
    text = p_value(found["p_value"])
    return text if text.startswith("below") else f"= {text}"


def _eer_interval(intervals: Mapping[str, Any]) -> str:
    return interval(intervals["figures"]["eer"], WORDS["eer"])
