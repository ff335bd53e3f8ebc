"""Check scores against their answers and count both kinds of error at every threshold."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.metrics.ties import bends

PIECE = 1 << 15
"""Trials looked at at a time, so that what is made of them stays in a processor's cache."""


def check(scores: ArrayLike, target: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores and answers as plain arrays, or say what is wrong with them.

    Parameters
    ----------
    scores : array_like [trials]
        One finite number per trial ``[trials]``, higher for the same speaker.
    target : array_like [trials]
        True (or 1) where both sides are the same speaker, false (or 0) where not ``[trials]``.

    Returns
    -------
    tuple
        Scores as float64 (float32 stays what it is) and answers as bool, both ``[trials]``.

    Raises
    ------
    ValueError
        If the lengths differ, there is no trial, a score is not finite, an answer is unknown, or all answers are alike.

    Examples
    --------
    >>> check([0.5, -0.5], [1, 0])
    (array([ 0.5, -0.5]), array([ True, False]))
    """
    values, is_target = check_each(scores, target)
    num_target = int(np.count_nonzero(is_target))
    check_both(num_target, is_target.size - num_target)
    return values, is_target


def check_both(num_target: int, num_nontarget: int) -> None:
    """Refuse a list in which one kind of trial, or both, is missing; see `check`."""
    if num_target + num_nontarget == 0:
        raise ValueError(
            "Metrics need trials: got trials=0, expected at least one target and one non-target. Check the trial list."
        )
    if num_target == 0 or num_nontarget == 0:
        raise ValueError(
            f"Error rates need both kinds of trial: got num_target={num_target} and num_nontarget={num_nontarget}, "
            "expected at least one of each. Check the trial list."
        )


def check_each(scores: ArrayLike, target: ArrayLike, *, first: int = 0) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return what `check` does of the trials from index ``first`` on, in which one kind or both may be missing."""
    values = np.asarray(scores)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    answers = np.asarray(target)
    if values.ndim != 1 or values.shape != answers.shape:
        raise ValueError(
            f"Every trial needs one score and one answer: got scores={list(values.shape)} and "
            f"target={list(answers.shape)}, expected two arrays [trials] of one length. Join them by trial first."
        )
    finite = np.isfinite(values)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(
            f"Scores must be finite: got score={values[index]} and {np.count_nonzero(~finite)} such scores among "
            f"{values.size} trials, expected a number. At trial index {first + index}. Check the embeddings of this "
            "trial for NaN or zero vectors."
        )
    return values, _as_bool(answers, first)


class ErrorRates(NamedTuple):
    """How many trials of each kind are decided wrongly at some thresholds; a trial is accepted from the threshold on.

    Attributes
    ----------
    thresholds : float64 [thresholds]
        Rising; ``+inf`` accepts nothing.
    misses : int64 [thresholds]
        Target trials below each threshold.
    false_alarms : int64 [thresholds]
        Non-target trials at or above each threshold.
    num_target, num_nontarget : int
        Trials of each kind. In a bootstrap draw these and the counts are sums of whole-number weights.
    """

    thresholds: NDArray[np.float64]
    misses: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    num_target: int
    num_nontarget: int

    @property
    def fnr(self) -> NDArray[np.float64]:
        """Share of target trials rejected (misses): float64 ``[thresholds]``."""
        return self.misses / self.num_target

    @property
    def fpr(self) -> NDArray[np.float64]:
        """Share of non-target trials accepted (false alarms): float64 ``[thresholds]``."""
        return self.false_alarms / self.num_nontarget

    @property
    def gap(self) -> NDArray[np.int64]:
        """Miss rate minus false-alarm rate, times both numbers of trials and so exact: int64 ``[thresholds]``."""
        return self.misses * self.num_nontarget - self.false_alarms * self.num_target

    def take(self, index: NDArray) -> "ErrorRates":
        """Return the chosen thresholds alone."""
        return self._replace(
            thresholds=self.thresholds[index], misses=self.misses[index], false_alarms=self.false_alarms[index]
        )


def join(parts: Sequence[ErrorRates]) -> ErrorRates:
    """Return the thresholds of several parts of one list's curve, one part after the other."""
    return parts[0]._replace(
        thresholds=np.concatenate([part.thresholds for part in parts]),
        misses=np.concatenate([part.misses for part in parts]),
        false_alarms=np.concatenate([part.false_alarms for part in parts]),
    )


class SortedScores(NamedTuple):
    """Scores of each kind of trial in rising order, from which the errors at any threshold follow; see `sort_scores`.

    Attributes
    ----------
    targets, nontargets : float32 or float64 [trials]
        Scores of either kind, rising.
    num_target, num_nontarget : int
        Trials of each kind in the whole list.
    targets_before, nontargets_before : int
        Trials of each kind below these, where these are a part of the list.
    """

    targets: NDArray
    nontargets: NDArray
    num_target: int
    num_nontarget: int
    targets_before: int = 0
    nontargets_before: int = 0

    def rates_at(self, thresholds: ArrayLike) -> ErrorRates:
        """Count both kinds of error at thresholds of one's own."""
        at = np.asarray(thresholds, dtype=np.float64)
        own = ceiling(at, self.targets.dtype)
        return self._count(at, np.searchsorted(self.targets, own), np.searchsorted(self.nontargets, own))

    def rates(self) -> ErrorRates:
        """Count both kinds of error where the curve bends and around the equal error rate; see `error_rates`."""
        below = bends(self.targets, self.nontargets)
        following = [np.append(kind.astype(np.float64), np.inf) for kind in (self.targets, self.nontargets)]
        bent = self._count(np.minimum(*(kind[at] for kind, at in zip(following, below, strict=True))), *below)
        balanced = self.rates_at(self.around(lambda rates: bool(rates.gap[0] >= 0)))
        both = join([bent, balanced])
        return both.take(np.unique(both.thresholds, return_index=True)[1])

    def around(self, reached: Callable[[ErrorRates], bool]) -> list[float]:
        """Return the last score at which a rising condition does not hold yet, and the threshold from which it does."""
        below, above = [], [np.inf]
        for kind in (self.targets, self.nontargets):
            first = bisect_left(range(kind.size), True, key=lambda at: reached(self.rates_at([kind[at]])))
            below += kind[max(first - 1, 0) : first].tolist()
            above += kind[first : first + 1].tolist()
        return [max(below), min(above)] if below else [min(above)]

    def pieces(self, size: int) -> Iterator["SortedScores"]:
        """Cut the scores at some of the targets', into parts of about ``size`` targets."""
        cuts = np.unique(self.targets[::size])[1:]
        kinds = (self.targets, self.nontargets)
        edges = zip(*([0, *np.searchsorted(kind, cuts).tolist(), kind.size] for kind in kinds), strict=True)
        for (target, nontarget), (target_end, nontarget_end) in pairwise(edges):
            yield self._replace(
                targets=self.targets[target:target_end],
                nontargets=self.nontargets[nontarget:nontarget_end],
                targets_before=self.targets_before + target,
                nontargets_before=self.nontargets_before + nontarget,
            )

    def _count(self, thresholds: NDArray, targets_below: NDArray, nontargets_below: NDArray) -> ErrorRates:
        return ErrorRates(
            thresholds,
            self.targets_before + targets_below,
            self.num_nontarget - self.nontargets_before - nontargets_below,
            self.num_target,
            self.num_nontarget,
        )


def sort_scores(scores: ArrayLike, target: ArrayLike) -> SortedScores:
    """Sort the scores of each kind once, for errors at any number of thresholds.

    Two plain sorts take a fraction of the time of one sort that carries the answers along.

    Raises
    ------
    ValueError
        See `check`.
    """
    values, is_target = check(scores, target)
    targets, nontargets = sort_kinds(values, is_target)
    return SortedScores(targets, nontargets, targets.size, nontargets.size)


def sort_kinds(values: NDArray, is_target: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Return the scores of the targets and those of the non-targets, both rising."""
    num_target = int(np.count_nonzero(is_target))
    kinds = np.empty(num_target, values.dtype), np.empty(is_target.size - num_target, values.dtype)
    for kind, chosen in zip(kinds, (is_target, ~is_target), strict=True):
        filled = 0
        for first in range(0, is_target.size, PIECE):  # at once, the indices alone would take twice the scores' memory
            inside = np.compress(chosen[first : first + PIECE], values[first : first + PIECE])
            kind[filled : filled + inside.size] = inside
            filled += inside.size
        kind.sort()
    return kinds


def error_rates(scores: ArrayLike, target: ArrayLike) -> ErrorRates:
    """Count misses and false alarms wherever the curve of the two bends, with two plain sorts.

    A trial is accepted if ``score >= threshold``. Trials with equal scores are always decided together, so the result
    does not depend on the order of the trials. Thresholds between which only one kind of trial lies would add nothing:
    the curve is straight there. Those on both sides of the equal error rate are always among the result.

    Parameters
    ----------
    scores, target : array_like [trials]
        See `check`.

    Returns
    -------
    ErrorRates
        From the lowest score, where every trial is accepted, to infinity, where none is.

    Raises
    ------
    ValueError
        See `check`.

    Examples
    --------
    >>> error_rates([1, 2, 2], [False, True, False]).fpr
    array([1. , 0.5, 0. ])
    """
    return sort_scores(scores, target).rates()


def ceiling(thresholds: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Return the lowest values of another float type that are not below the thresholds: they accept the same scores."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(dtype)
    return np.where(rounded < thresholds, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def _as_bool(answers: NDArray, first: int) -> NDArray[np.bool_]:
    """Turn answers 0/1 or false/true of any dtype into bool ``[trials]``; anything else is an unknown answer."""
    if answers.dtype == np.bool_:
        return answers
    if answers.dtype == object:
        valid = np.fromiter(
            (isinstance(a, (bool, int, float, np.generic)) and a in (0, 1) for a in answers), dtype=bool
        )
    else:
        valid = (
            (answers == 0) | (answers == 1) if np.issubdtype(answers.dtype, np.number) else np.zeros(len(answers), bool)
        )
    if not valid.all():
        index = int(np.argmin(valid))
        raise ValueError(
            f"Answers must be known: got target={answers[index]!r} and {np.count_nonzero(~valid)} such answers, "
            f"expected true or false. At trial index {first + index}. Keep only trials whose answer is known."
        )
    return answers.astype(bool)
