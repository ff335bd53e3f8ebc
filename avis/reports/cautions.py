"""What should keep a reader from believing a figure too much, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any

from avis.metrics.binomial import binomial_interval
from avis.metrics.subgroups import LEAST_ERRORS
from avis.reports.calibration_words import capped_at
from avis.reports.figure_words import percent

LEAST_SPEAKERS = 30
"""With fewer, intervals by drawing speakers tend to be too narrow, and what few speakers decide is coarse.

Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered errors", Review of Economics and
Statistics 90, 2008.
"""

MOST_CALIBRATION_LOSS = 0.1
"""Share of minCllr above which calibration is worth a warning; below `_LEAST_LOSS` bits it never is."""

_LEAST_LOSS = 0.02
_CONFIDENCE = 0.95

_FLAGS = {
    "shared_speakers": "{} speakers of these trials were also trained on, so the error rates are too good to be true.",
    "self_trials": "{} trials compare an utterance with itself; their score is always perfect.",
    "duplicates": "{} trials repeat another one and count twice.",
    "contradictions": "{} pairs are called same speaker in one trial and different speakers in another.",
    "wrong_answers": "{} trials have an answer that their speakers contradict.",
    "missing_ids": "{} trials were left out, because their audio is missing.",
}


def cautions(metrics: Mapping[str, Any], flagged: Mapping[str, int]) -> list[str]:
    """Return the warnings about one trial list, the gravest first.

    Parameters
    ----------
    metrics, flagged
        See `avis.reports.page.ListReport`.
    """
    return [
        *_wrong(metrics),
        *_suspect(flagged),
        *_uncertain(metrics),
        *_miscalibrated(metrics),
        *_coarsely_calibrated(metrics),
    ]


def _wrong(metrics: Mapping[str, Any]) -> Iterator[str]:
    if metrics["reversed"]:
        yield (
            "Same-speaker trials score lower than different-speaker ones: the sign of the scores is probably turned "
            "(distances instead of similarities), or the answers are."
        )


def _suspect(flagged: Mapping[str, int]) -> Iterator[str]:
    for check, words in _FLAGS.items():
        if flagged.get(check):
            yield words.format(f"{flagged[check]:,}")


def _uncertain(metrics: Mapping[str, Any]) -> Iterator[str]:
    misses = round(metrics["fnmr"] * metrics["num_target"])
    false_alarms = round(metrics["fmr"] * metrics["num_nontarget"])
    if min(misses, false_alarms) < LEAST_ERRORS:
        yield (
            f"Too few trials for this error rate: it rests on {misses:,} misses and {false_alarms:,} false alarms. "
            f"From {LEAST_ERRORS} errors of each kind on, the true rate is within about 30 % of the one found (rule of "
            "30), if trials are independent."
        )
    if misses == 0 or false_alarms == 0:
        yield _no_error(metrics, misses, false_alarms)
    rates = sorted(map(float, metrics["fnmr_at_fmr"]))
    short = [rate for rate in rates if rate * metrics["num_nontarget"] < LEAST_ERRORS]
    if short:
        yield (
            f"Too few different-speaker trials for a false-alarm rate of {percent(short[0])}: "
            f"{metrics['num_nontarget']:,}, but the rule of 30 asks for {LEAST_ERRORS / short[0]:,.0f}."
        )
    intervals = metrics.get("intervals")
    if intervals is None:
        yield f"Nobody can say how certain these figures are: {metrics.get('intervals_note', 'there is no interval')}."
        return
    if intervals["num_speakers"] < LEAST_SPEAKERS:
        yield f"Only {intervals['num_speakers']} speakers: the intervals are rough and rather too narrow."
    if intervals["num_empty"]:
        yield (
            f"{intervals['num_empty']:,} of {intervals['num_draws']:,} draws of speakers had no trial of one kind and "
            "could not be used for the intervals."
        )


def _no_error(metrics: Mapping[str, Any], misses: int, false_alarms: int) -> str:
    """Say what seeing no error is worth: drawing speakers finds none either, and so an interval without width."""
    kinds = (
        ("same-speaker", misses, metrics["num_target"]),
        ("different-speaker", false_alarms, metrics["num_nontarget"]),
    )
    limits = " and ".join(
        f"{percent(binomial_interval(0, trials, _CONFIDENCE)[1])} of {kind} trials"
        for kind, errors, trials in kinds
        if errors == 0
    )
    return (
        f"No error seen is not none to come: up to {limits} may be decided wrongly (exact {_CONFIDENCE:.0%} limit, if "
        "trials were independent), whatever the intervals say."
    )


def _miscalibrated(metrics: Mapping[str, Any]) -> Iterator[str]:
    loss = metrics.get("calibration_loss", 0.0)
    if loss > max(_LEAST_LOSS, MOST_CALIBRATION_LOSS * metrics["min_cllr"]):
        cap = " Some may be the price of their cap." if metrics.get("calibration") else ""
        yield (
            f"Miscalibrated: of a Cllr of {metrics['cllr']:.3f} bits, {loss:.3f} would go with better calibration."
            f"{cap} Do not read the likelihood ratios as strength of evidence, nor set thresholds by them, before that."
        )


def _coarsely_calibrated(metrics: Mapping[str, Any]) -> Iterator[str]:
    calibration = metrics.get("calibration")
    if calibration is None:
        return
    if calibration["num_speakers"] is not None and calibration["num_speakers"] < LEAST_SPEAKERS:
        yield (
            f"Coarsely calibrated: the likelihood ratios rest on {calibration['num_speakers']} speakers, fewer than "
            f"{LEAST_SPEAKERS}. They are {capped_at(calibration)}: so few bear out no stronger ones."
        )
    if beyond := calibration["beyond"]:
        yield (
            f"Actual costs at thresholds of {', '.join(f'{threshold:.2f}' for threshold in beyond)} are those of one "
            f"answer for all trials: no log-likelihood ratio reaches so far, since they are {capped_at(calibration)}."
        )
