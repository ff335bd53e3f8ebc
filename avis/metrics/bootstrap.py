"""Confidence intervals by drawing speakers, and the paired comparison of two systems on the same draws.

Trials share speakers, so they are not independent: drawing trials gives intervals that are far too narrow. Here
speakers are drawn with replacement. A speaker drawn ``w`` times gives a target trial the weight ``w`` and a non-target
trial the product of the weights of its two speakers.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.metrics import cllr
from avis.metrics.figures import ErrorCounts, Figure, Figures, FigureSet, count_errors, difference, figures
from avis.metrics.intervals import Difference, Differences, Draws, Interval, Intervals, least_p_value
from avis.metrics.roc import twice_won_pairs
from avis.metrics.scores import ErrorRates, error_rates
from avis.metrics.trials import Trials

_MOST_IF_REFLECTED = {"min_cllr": 1.0, "calibration_loss": math.inf, "fdr": 1.0, "garbe": 1.0}
"""Figures that lean one way in the list and further in a draw of it, and the highest they can be.

A best calibration fits fewer trials better, and equal groups differ the more by chance. So draws are reflected at the
list's figure (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, basic intervals).
"""


class Resampling(NamedTuple):
    """How speakers are drawn.

    Attributes
    ----------
    num_draws : int
        How often; 1000 or more for an interval of 95 %.
    confidence : float
        Share of the draws inside the interval, between 0 and 1.
    seed : int
        Seed of the draws.
    """

    num_draws: int
    confidence: float
    seed: int

    def checked(self) -> "Resampling":
        """Return itself.

        Raises
        ------
        ValueError
            If a value makes no sense.
        """
        if self.num_draws < 1:
            raise ValueError(f"A bootstrap needs draws: got num_draws={self.num_draws}, expected at least 1.")
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"Confidence is a share: got confidence={self.confidence}, expected 0 < confidence < 1.")
        return self


class OrderedTrials:
    """Trials of one list in rising order of one kind of score, ready to be weighted.

    Equal scores may lie in any order: counts are only ever taken where the score changes.
    """

    def __init__(self, values: NDArray, target: NDArray, enroll: NDArray, test: NDArray) -> None:
        targets, nontargets = (np.flatnonzero(kind) for kind in (target, ~target))
        self.targets, self.nontargets = (kind[np.argsort(values[kind])] for kind in (targets, nontargets))
        self.speaker = enroll[self.targets].astype(np.int32)
        self.pair = enroll[self.nontargets].astype(np.int32), test[self.nontargets].astype(np.int32)

    def weights(self, drawn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the weight of every target and every non-target, given how often each speaker was drawn."""
        return drawn[self.speaker], drawn[self.pair[0]] * drawn[self.pair[1]]


def weighted_rates(
    rates: ErrorRates, targets_below: NDArray[np.int64], nontargets_below: NDArray[np.int64]
) -> ErrorRates:
    """Count errors in weights; the arguments sum the weights of the lowest 0, 1, 2, ... trials of a kind."""
    return ErrorRates(
        rates.thresholds,
        targets_below[rates.misses],
        nontargets_below[-1] - nontargets_below[rates.num_nontarget - rates.false_alarms],
        int(targets_below[-1]),
        int(nontargets_below[-1]),
    )


class _Resampler:
    """Turns draws of speakers into weighted error counts of one system's scores."""

    def __init__(self, trials: Trials, *, figure_set: FigureSet, threshold: float | None) -> None:
        # Weights move the corners of the hull, so that the whole curves are needed.
        whole = count_errors(trials.scores, trials.target, trials.llr, figure_set=figure_set, threshold=threshold)
        self.counts = whole._replace(scores=error_rates(trials.scores, trials.target))
        target = np.asarray(trials.target, dtype=bool)
        enroll, test, self.num_speakers = trials.speakers()
        self.by_score = OrderedTrials(trials.scores, target, enroll, test)
        if trials.llr is not None:
            self.counts = self.counts._replace(llrs=error_rates(trials.llr, trials.target))
            self.by_llr = OrderedTrials(trials.llr, target, enroll, test)
            self.cost_of_targets = cllr.costs(trials.llr[self.by_llr.targets], target=True)
            self.cost_of_nontargets = cllr.costs(trials.llr[self.by_llr.nontargets], target=False)

    def weighted(self, drawn: NDArray[np.int64]) -> ErrorCounts | None:
        """Return the error counts of one draw, or None if it holds no target or no non-target trial."""
        of_targets, of_nontargets = self.by_score.weights(drawn)
        below = running_sums(of_targets), running_sums(of_nontargets)
        if not (below[0][-1] and below[1][-1]):
            return None
        rates = weighted_rates(self.counts.scores, *below)
        counts = ErrorCounts(rates, twice_won_pairs(rates), weighted_rates(self.counts.decided, *below))
        if self.counts.llrs is None or self.counts.at_bayes is None:
            return counts
        of_targets, of_nontargets = self.by_llr.weights(drawn)
        below = running_sums(of_targets), running_sums(of_nontargets)
        cost = self.cost_of_targets @ of_targets / below[0][-1] + self.cost_of_nontargets @ of_nontargets / below[1][-1]
        return counts._replace(
            llrs=weighted_rates(self.counts.llrs, *below),
            at_bayes=weighted_rates(self.counts.at_bayes, *below),
            cllr=float(cost) / 2,
        )


def running_sums(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of the first 0, 1, 2, ... weights."""
    return np.concatenate(([0], np.cumsum(weights)))


def speaker_draws(num_speakers: int, resampling: Resampling) -> Iterator[NDArray[np.int64]]:
    """Yield how often each speaker is drawn: int64 ``[speakers]``, ``num_draws`` times."""
    rng = np.random.default_rng(resampling.seed)
    for _ in range(resampling.num_draws):
        yield rng.multinomial(num_speakers, np.full(num_speakers, 1.0 / num_speakers))


def speaker_intervals(
    trials: Trials, resampling: Resampling, *, figure_set: FigureSet, threshold: float | None = None
) -> Intervals:
    """Return an interval for every figure of `avis.metrics.figures.figures`, all from the same draws.

    They are percentiles of the draws, those of minCllr and calibration loss reflected at the figure.

    Parameters
    ----------
    trials : Trials
        The list, with its speakers.
    resampling : Resampling
        How speakers are drawn.
    figure_set : FigureSet
        Which figures are stated.
    threshold : float, optional
        Score from which trials are accepted, in every draw; that of the list's equal error rate if None.

    Raises
    ------
    ValueError
        If speakers and answers disagree, or see `avis.metrics.scores.check`.
    """
    resampler = _Resampler(trials, figure_set=figure_set, threshold=threshold)
    rows = []
    for drawn in speaker_draws(resampler.num_speakers, resampling.checked()):
        if (counts := resampler.weighted(drawn)) is not None:
            rows.append(figures(counts, figure_set))
    return intervals_of(rows, figures(resampler.counts, figure_set), resampling, resampler.num_speakers)


def intervals_of(rows: list[Figures], of_list: Figures, resampling: Resampling, num_speakers: int) -> Intervals:
    """Return what `speaker_intervals` does, from the figures of each draw that has them and those of the list."""
    drawn = _percentiles(rows, resampling.confidence) if rows else {}
    reflected = {figure: _reflected(figure, ends, of_list[figure]) for figure, ends in drawn.items()}
    return Intervals(reflected, _draws(resampling, num_speakers, len(rows)))


def paired_difference(
    trials: Trials, baseline: Trials, resampling: Resampling, *, figure_set: FigureSet
) -> Differences:
    """Say of every figure by how much two systems differ on one trial list, and whether that may be chance.

    Parameters
    ----------
    trials, baseline : Trials
        The same trials in the same order with the scores of two systems; the speakers are taken from ``trials``.
    resampling : Resampling
        How speakers are drawn; each draw weights both systems alike.
    figure_set : FigureSet
        Which figures are compared.

    Raises
    ------
    ValueError
        If the answers differ, or see `speaker_intervals`.
    """
    if not np.array_equal(trials.target, baseline.target):
        raise ValueError(
            "A paired comparison needs the same trials: got other answers in the baseline, expected one trial list in "
            "one order. Join the two by trial."
        )
    baseline = baseline._replace(enroll_speaker=trials.enroll_speaker, test_speaker=trials.test_speaker)
    both = [_Resampler(each, figure_set=figure_set, threshold=None) for each in (trials, baseline)]
    rows = []
    for drawn in speaker_draws(both[0].num_speakers, resampling.checked()):
        counts = [each.weighted(drawn) for each in both]
        if counts[0] is not None and counts[1] is not None:
            rows.append(difference(figures(counts[0], figure_set), figures(counts[1], figure_set)))
    of_list = difference(figures(both[0].counts, figure_set), figures(both[1].counts, figure_set))
    intervals = _percentiles(rows, resampling.confidence) if rows else {}
    differences = {
        figure: Difference(
            value, intervals.get(figure), _p_value(np.array([row[figure] for row in rows])) if rows else None
        )
        for figure, value in of_list.items()
    }
    return Differences(differences, _draws(resampling, both[0].num_speakers, len(rows)))


def _p_value(differences: NDArray[np.float64]) -> float:
    """Return twice the smaller share of draws on either side of nought, the observation itself counted among them."""
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(1.0, (1 + tail) * least_p_value(differences.size))


def _percentiles(rows: list[Figures], confidence: float) -> dict[Figure, Interval]:
    outside = (1.0 - confidence) / 2.0
    table = np.array([list(row.values()) for row in rows])
    low, high = np.quantile(table, [outside, 1.0 - outside], axis=0)
    return {figure: Interval(float(low[column]), float(high[column])) for column, figure in enumerate(rows[0])}


def _reflected(figure: Figure, ends: Interval, value: float) -> Interval:
    """Return the ends reflected at the list's own value, of the figures that need it."""
    if figure.name not in _MOST_IF_REFLECTED:
        return ends
    low, high = (2.0 * value - end for end in reversed(ends))
    return Interval(max(min(low, value), 0.0), min(max(high, value), _MOST_IF_REFLECTED[figure.name]))


def _draws(resampling: Resampling, num_speakers: int, num_used: int) -> Draws:
    return Draws(resampling.confidence, resampling.num_draws, resampling.num_draws - num_used, num_speakers)
