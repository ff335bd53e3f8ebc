"""What should keep a reader from believing a figure too much, in plain words."""

from collections.abc import Iterator, Mapping

from avis.metrics.binomial import binomial_interval
from avis.metrics.figures import CALIBRATION_LOSS, CLLR, EER, FMR, FNMR, FNMR_AT_FMR, MIN_CLLR
from avis.metrics.list_metrics import ListMetrics
from avis.metrics.subgroups import LEAST_ERRORS
from avis.metrics.summary import Summary
from avis.reports.learning_cautions import chance_limit
from avis.reports.wording import capped_at, percent

LEAST_SPEAKERS = 30
"""Fewer speakers make intervals by drawing them too narrow as a rule, and what they decide coarse.

Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered errors", Review of Economics and
Statistics 90, 2008.
"""

MOST_CALIBRATION_LOSS = 0.1
"""Share of minCllr above which calibration is worth a warning; below `_LEAST_LOSS` bits it never is."""

_LEAST_LOSS = 0.02
_CONFIDENCE = 0.95
_CHANCE = 0.5

_FLAGS = {
    "shared_speakers": "{} speakers of these trials were also trained on, so the error rates are too good to be true.",
    "shared_audio": "{} utterances of these trials were trained on, sample by sample: that is no test.",
    "self_trials": "{} trials compare an utterance with itself; their score is always perfect.",
    "same_audio": "{} trials compare the same recording under two ids; their score is always perfect.",
    "duplicates": "{} trials repeat another one and count twice.",
    "contradictions": "{} pairs are called same speaker in one trial and different speakers in another.",
    "wrong_answers": "{} trials have an answer that their speakers contradict.",
    "missing_ids": "{} trials were left out, because their audio is missing.",
}


def cautions(metrics: ListMetrics, flagged: Mapping[str, int]) -> list[str]:
    """Return the warnings about one trial list, the gravest first.

    Parameters
    ----------
    metrics : ListMetrics
        What is said of the list.
    flagged : mapping of str to int
        How many trials each check of the list counted; see `avis.scoring.trial_checks.TrialChecks.apply`.
    """
    return [
        *_wrong(metrics.summary),
        *by_chance(metrics),
        *_suspect(flagged),
        *_uncertain(metrics),
        *_miscalibrated(metrics),
        *_coarsely_calibrated(metrics),
    ]


def _wrong(summary: Summary) -> Iterator[str]:
    if summary.reversed:
        yield (
            "Same-speaker trials score lower than different-speaker ones: the sign of the scores is probably turned "
            "(distances instead of similarities), or the answers are."
        )


def by_chance(metrics: ListMetrics) -> Iterator[str]:
    """Yield that the scores may be guesses, where their error rate does not tell them from that."""
    summary, interval = metrics.summary, metrics.intervals and metrics.intervals.figures.get(EER)
    eer = summary.figures.get(EER, 0.0)
    limit = chance_limit(min(summary.num_target, summary.num_nontarget))
    if summary.reversed or (interval.high < _CHANCE if interval else eer < limit):
        return
    yield (
        f"Not told from chance: {percent(eer)} is an equal error rate that guesses, whose true one is "
        f"{percent(_CHANCE)}, may have on these trials. The scores say nothing, or the trials are too few to tell."
    )


def _suspect(flagged: Mapping[str, int]) -> Iterator[str]:
    for check, words in _FLAGS.items():
        if flagged.get(check):
            yield words.format(f"{flagged[check]:,}")


def _uncertain(metrics: ListMetrics) -> Iterator[str]:
    yield from _few_errors(metrics.summary)
    if metrics.intervals is None:
        yield f"Nobody can say how certain these figures are: {metrics.intervals_note or 'there is no interval'}."
        return
    draws = metrics.intervals.draws
    if draws.num_speakers < LEAST_SPEAKERS:
        yield f"Only {draws.num_speakers} speakers: the intervals are rough and rather too narrow."
    if draws.num_empty:
        yield (
            f"{draws.num_empty:,} of {draws.num_draws:,} draws of speakers had no trial of one kind and could not be "
            "used for the intervals."
        )


def _few_errors(summary: Summary) -> Iterator[str]:
    misses = round(summary.figures[FNMR] * summary.num_target)
    false_alarms = round(summary.figures[FMR] * summary.num_nontarget)
    if min(misses, false_alarms) < LEAST_ERRORS:
        yield (
            f"Too few trials for this error rate: it rests on {misses:,} misses and {false_alarms:,} false alarms. "
            f"From {LEAST_ERRORS} errors of each kind on, the true rate is within about 30 % of the one found (rule of "
            "30), if trials are independent."
        )
    if misses == 0 or false_alarms == 0:
        yield _no_error(summary, misses, false_alarms)
    rates = sorted(float(figure.at) for figure in summary.figures if figure.name == FNMR_AT_FMR)
    short = [rate for rate in rates if rate * summary.num_nontarget < LEAST_ERRORS]
    if short:
        yield (
            f"Too few different-speaker trials for a false-alarm rate of {percent(short[0])}: "
            f"{summary.num_nontarget:,}, but the rule of 30 asks for {LEAST_ERRORS / short[0]:,.0f}."
        )


def _no_error(summary: Summary, misses: int, false_alarms: int) -> str:
    """Say what seeing no error is worth: drawing speakers finds none either, and so an interval without width."""
    kinds = (
        ("same-speaker", misses, summary.num_target),
        ("different-speaker", false_alarms, summary.num_nontarget),
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


def _miscalibrated(metrics: ListMetrics) -> Iterator[str]:
    figures = metrics.summary.figures
    loss = figures.get(CALIBRATION_LOSS, 0.0)
    if loss > max(_LEAST_LOSS, MOST_CALIBRATION_LOSS * figures[MIN_CLLR]):
        cap = " Some may be the price of their cap." if metrics.calibration else ""
        yield (
            f"Miscalibrated: of a Cllr of {figures[CLLR]:.3f} bits, {loss:.3f} would go with better calibration."
            f"{cap} Do not read the likelihood ratios as strength of evidence, nor set thresholds by them, before that."
        )


def _coarsely_calibrated(metrics: ListMetrics) -> Iterator[str]:
    calibration = metrics.calibration
    if calibration is None:
        return
    if calibration.num_speakers is not None and calibration.num_speakers < LEAST_SPEAKERS:
        yield (
            f"Coarsely calibrated: the likelihood ratios rest on {calibration.num_speakers} speakers, fewer than "
            f"{LEAST_SPEAKERS}. They are {capped_at(calibration)}: so few bear out no stronger ones."
        )
    if beyond := calibration.beyond:
        yield (
            f"Actual costs at thresholds of {', '.join(f'{threshold:.2f}' for threshold in beyond)} are those of one "
            f"answer for all trials: no log-likelihood ratio reaches so far, since they are {capped_at(calibration)}."
        )
