"""Confidence intervals by drawing speakers, and the paired comparison of two systems on the same draws.

Trials share speakers, so they are not independent: drawing trials gives intervals that are far too narrow. Here
speakers are drawn with replacement. A speaker drawn ``w`` times gives a target trial the weight ``w`` and a non-target
trial the product of the weights of its two speakers.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.metrics import cllr
from avis.metrics.figures import Tally, Wanted, figures, tally
from avis.metrics.roc import twice_won_pairs
from avis.metrics.scores import ErrorRates, error_rates
from avis.metrics.trials import Trials

Flat = dict[tuple[str, ...], float]

_MOST_IF_REFLECTED = {"min_cllr": 1.0, "calibration_loss": math.inf, "fdr": 1.0, "garbe": 1.0}
"""Figures that lean one way in the list and further in a draw of it, and the highest they can be.

A best calibration fits fewer trials better, and equal groups differ the more by chance. So draws are reflected at the
list's figure (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, basic intervals).
"""


class Resampling(NamedTuple):
    """How speakers are drawn.

    Attributes
    ----------
    num_draws
        How often; 1000 or more for an interval of 95 %.
    confidence
        Share of the draws inside the interval, between 0 and 1.
    seed
        Of the draws.
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
    """Turns draws of speakers into weighted tallies of one system's scores."""

    def __init__(self, trials: Trials, *, wanted: Wanted, threshold: float | None) -> None:
        # Weights move the corners of the hull, so that the whole curves are wanted.
        whole = tally(trials.scores, trials.target, trials.llr, wanted=wanted, threshold=threshold)
        self.counts = whole._replace(scores=error_rates(trials.scores, trials.target))
        target = np.asarray(trials.target, dtype=bool)
        enroll, test, self.num_speakers = trials.speakers()
        self.by_score = OrderedTrials(trials.scores, target, enroll, test)
        if trials.llr is not None:
            self.counts = self.counts._replace(llrs=error_rates(trials.llr, trials.target))
            self.by_llr = OrderedTrials(trials.llr, target, enroll, test)
            self.cost_of_targets = cllr.costs(trials.llr[self.by_llr.targets], target=True)
            self.cost_of_nontargets = cllr.costs(trials.llr[self.by_llr.nontargets], target=False)

    def weighted(self, drawn: NDArray[np.int64]) -> Tally | None:
        """Return the tally of one draw, or None if it holds no target or no non-target trial."""
        of_targets, of_nontargets = self.by_score.weights(drawn)
        below = running_sums(of_targets), running_sums(of_nontargets)
        if not (below[0][-1] and below[1][-1]):
            return None
        rates = weighted_rates(self.counts.scores, *below)
        counts = Tally(rates, twice_won_pairs(rates), weighted_rates(self.counts.decided, *below))
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
    trials: Trials, resampling: Resampling, *, wanted: Wanted, threshold: float | None = None
) -> dict[str, Any]:
    """Return an interval for every figure of `avis.metrics.figures.figures`, all from the same draws.

    Parameters
    ----------
    trials
        With their speakers.
    resampling
        How speakers are drawn.
    wanted
        What is to be stated.
    threshold
        As for `avis.metrics.figures.tally`; it stays where it is in every draw.

    Returns
    -------
    dict
        ``figures`` (as the figures are laid out, but ``[low, high]`` each: percentiles of the draws, those of minCllr
        and calibration loss reflected at the figure), ``confidence``, ``num_draws``, ``num_speakers``, and
        ``num_empty``: draws left out for want of target or of non-target trials. ``figures`` is None if all were.

    Raises
    ------
    ValueError
        If speakers and answers disagree, or see `avis.metrics.scores.check`.
    """
    resampler = _Resampler(trials, wanted=wanted, threshold=threshold)
    rows = []
    for drawn in speaker_draws(resampler.num_speakers, resampling.checked()):
        if (counts := resampler.weighted(drawn)) is not None:
            rows.append(flatten(figures(counts, wanted)))
    return intervals_of(rows, flatten(figures(resampler.counts, wanted)), resampling, resampler.num_speakers)


def intervals_of(rows: list[Flat], found: Flat, resampling: Resampling, num_speakers: int) -> dict[str, Any]:
    """Return what `speaker_intervals` does, from the figures of each draw that has them and those of the list."""
    drawn = _percentiles(rows, resampling.confidence) if rows else {}
    figures_drawn = nest({key: _reflected(key[0], ends, found[key]) for key, ends in drawn.items()})
    return {"figures": figures_drawn or None, **_facts(resampling, num_speakers, len(rows))}


def paired_difference(trials: Trials, baseline: Trials, resampling: Resampling, *, wanted: Wanted) -> dict[str, Any]:
    """Say of every figure by how much two systems differ on one trial list, and whether that may be chance.

    Parameters
    ----------
    trials, baseline
        The same trials in the same order with the scores of two systems; the speakers are taken from ``trials``.
    resampling, wanted
        See `speaker_intervals`; each draw weights both systems alike.

    Returns
    -------
    dict
        As of `speaker_intervals`, with ``{"difference": ..., "interval": [low, high], "p_value": ...}`` of each figure
        that both have: the figure of ``trials`` less that of ``baseline``, and the two-sided bootstrap p-value of no
        difference. ``interval`` and ``p_value`` are None if every draw was empty.

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
    both = [_Resampler(each, wanted=wanted, threshold=None) for each in (trials, baseline)]
    rows = []
    for drawn in speaker_draws(both[0].num_speakers, resampling.checked()):
        counts = [each.weighted(drawn) for each in both]
        if counts[0] is not None and counts[1] is not None:
            rows.append(_difference(counts[0], counts[1], wanted))
    found = _difference(both[0].counts, both[1].counts, wanted)
    intervals = _percentiles(rows, resampling.confidence) if rows else dict.fromkeys(found)
    stated = {
        key: {
            "difference": value,
            "interval": intervals[key],
            "p_value": _p_value(np.array([row[key] for row in rows])) if rows else None,
        }
        for key, value in found.items()
    }
    return {"figures": nest(stated), **_facts(resampling, both[0].num_speakers, len(rows))}


def _difference(one: Tally, other: Tally, wanted: Wanted) -> Flat:
    ours, theirs = (flatten(figures(counts, wanted)) for counts in (one, other))
    return {key: value - theirs[key] for key, value in ours.items() if key in theirs}


def has_width(interval: list[float]) -> bool:
    """Tell whether the draws differ: where no trial is decided wrongly, none do, and the interval says nothing."""
    return interval[0] < interval[1]


def beyond_chance(p_value: float, confidence: float) -> bool:
    """Tell whether a difference is more than chance explains.

    >>> beyond_chance(0.049, 0.95), beyond_chance(0.05, 0.95)
    (True, False)
    """
    return p_value + confidence < 1.0


def least_p_value(num_draws: int) -> float:
    """Return the p-value of a difference that has one sign in every draw: none is lower."""
    return 2.0 / (1 + num_draws)


def _p_value(differences: NDArray[np.float64]) -> float:
    """Return twice the smaller share of draws on either side of nought, the observation itself counted among them."""
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(1.0, (1 + tail) * least_p_value(differences.size))


def _percentiles(rows: list[Flat], confidence: float) -> dict[tuple[str, ...], list[float]]:
    outside = (1.0 - confidence) / 2.0
    table = np.array([list(row.values()) for row in rows])
    low, high = np.quantile(table, [outside, 1.0 - outside], axis=0)
    return {key: [float(low[column]), float(high[column])] for column, key in enumerate(rows[0])}


def _reflected(figure: str, ends: list[float], found: float) -> list[float]:
    if figure not in _MOST_IF_REFLECTED:
        return ends
    low, high = (2.0 * found - end for end in reversed(ends))
    return [max(min(low, found), 0.0), min(max(high, found), _MOST_IF_REFLECTED[figure])]


def _facts(resampling: Resampling, num_speakers: int, num_kept: int) -> dict[str, Any]:
    return {
        "confidence": resampling.confidence,
        "num_draws": resampling.num_draws,
        "num_empty": resampling.num_draws - num_kept,
        "num_speakers": num_speakers,
    }


def flatten(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Flat:
    """Lay out figures flat, each under its path."""
    flat: Flat = {}
    for key, value in tree.items():
        flat |= flatten(value, (*above, key)) if isinstance(value, Mapping) else {(*above, key): value}
    return flat


def nest(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Lay out figures as they were before `flatten`."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        inner = tree
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return tree
