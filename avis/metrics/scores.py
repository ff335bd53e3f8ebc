"""Check scores against their answers and count both kinds of error at every threshold."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check(scores: ArrayLike, target: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores and answers as plain arrays, or say what is wrong with them.

    Parameters
    ----------
    scores
        One finite number per trial ``[trials]``, higher for the same speaker.
    target
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
    values, known = check_each(scores, target)
    num_target = int(np.count_nonzero(known))
    check_both(num_target, known.size - num_target)
    return values, known


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


def check_each(scores: ArrayLike, target: ArrayLike) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return what `check` does of a part of the trials, in which one kind or both may be missing."""
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
            f"Scores must be finite: got score={values[index]} and {np.count_nonzero(~finite)} such scores, expected a "
            f"number. At trial index {index}. Check the embeddings of this trial for NaN or zero vectors."
        )
    return values, _as_bool(answers)


class ErrorRates(NamedTuple):
    """How many trials of each kind are decided wrongly at some thresholds; a trial is accepted from the threshold on.

    Attributes
    ----------
    thresholds
        Rising; ``+inf`` accepts nothing: float64 ``[thresholds]``.
    misses
        Target trials below each threshold: int64 ``[thresholds]``.
    false_alarms
        Non-target trials at or above each threshold: int64 ``[thresholds]``.
    num_target, num_nontarget
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


class SortedScores(NamedTuple):
    """Scores in rising order, from which the errors at any threshold follow; made by `sort_scores`.

    Attributes
    ----------
    every, rare
        All scores, and those of the rarer kind of trial, both rising: float32 or float64 ``[trials]``.
    rare_is_target
        Which kind that is.
    num_target, num_nontarget
        Trials of each kind in the whole list.
    targets_before, nontargets_before
        Trials of each kind below these, where these are a part of the list.
    """

    every: NDArray
    rare: NDArray
    rare_is_target: bool
    num_target: int
    num_nontarget: int
    targets_before: int = 0
    nontargets_before: int = 0

    def rates_at(self, thresholds: ArrayLike) -> ErrorRates:
        """Count both kinds of error at thresholds of one's own."""
        wanted = np.asarray(thresholds, dtype=np.float64)
        own = ceiling(wanted, self.every.dtype)
        return self._count(wanted, np.searchsorted(self.every, own), np.searchsorted(self.rare, own))

    def rates_below(self, below: NDArray[np.int64]) -> ErrorRates:
        """Count both kinds of error at own scores, given by how many scores are below each; all gives infinity."""
        inside = below < self.every.size
        own = self.every[np.where(inside, below, 0)]
        rare_below = np.where(inside, np.searchsorted(self.rare, own), self.rare.size)
        return self._count(np.where(inside, own, np.inf).astype(np.float64), below, rare_below)

    def rates(self) -> ErrorRates:
        """Count both kinds of error where the curve bends and around the equal error rate; see `error_rates`."""
        balanced = self.around(lambda rates: bool(rates.gap[0] >= 0))
        return self.rates_below(np.union1d(bends(self.every, self.rare), balanced))

    def around(self, reached: Callable[[ErrorRates], bool]) -> list[int]:
        """Return how many scores are below the last threshold before a rising condition holds, and the next one."""
        low, high = -1, self.every.size
        while high - low > 1:
            middle = self.every[(low + high) // 2]
            group = int(np.searchsorted(self.every, middle))
            if reached(self.rates_below(np.array([group]))):
                high = group
            else:
                low = int(np.searchsorted(self.every, middle, side="right")) - 1
        return [int(np.searchsorted(self.every, self.every[high - 1])), high] if high else [high]

    def _count(self, thresholds: NDArray, below: NDArray[np.int64], rare_below: NDArray[np.int64]) -> ErrorRates:
        targets_below, nontargets_below = rare_below, below - rare_below
        if not self.rare_is_target:
            targets_below, nontargets_below = nontargets_below, targets_below
        return ErrorRates(
            thresholds,
            self.targets_before + targets_below,
            self.num_nontarget - self.nontargets_before - nontargets_below,
            self.num_target,
            self.num_nontarget,
        )


def sort_scores(scores: ArrayLike, target: ArrayLike) -> SortedScores:
    """Sort scores once, for errors at any number of thresholds.

    Two plain sorts, of all scores and of those of the rarer kind, take a fraction of the time of one sort that carries
    the answers along.

    Raises
    ------
    ValueError
        See `check`.
    """
    values, known = check(scores, target)
    num_target = int(np.count_nonzero(known))
    rare_is_target = 2 * num_target <= known.size
    rare = np.sort(values[known if rare_is_target else ~known])
    return SortedScores(np.sort(values), rare, rare_is_target, num_target, known.size - num_target)


def error_rates(scores: ArrayLike, target: ArrayLike) -> ErrorRates:
    """Count misses and false alarms wherever the curve of the two bends, with two plain sorts.

    A trial is accepted if ``score >= threshold``. Trials with equal scores are always decided together, so the result
    does not depend on the order of the trials. Thresholds between which only one kind of trial lies would add nothing:
    the curve is straight there. Those on both sides of the equal error rate are always among the result.

    Parameters
    ----------
    scores, target
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


def bends(every: NDArray, rare: NDArray) -> NDArray[np.int64]:
    """Return at how many scores below it the curve of errors may bend, from none below to all.

    Parameters
    ----------
    every, rare
        All scores, and those of one kind of trial (better the rarer), both rising ``[trials]``.
    """
    start, end, at, after = tie_groups(every, rare)
    below = np.concatenate(([0], np.stack([at, after], axis=1).ravel(), [every.size]))
    rare_below = np.concatenate(([0], np.stack([start, end], axis=1).ravel(), [rare.size]))
    new = np.concatenate(([True], below[1:] != below[:-1]))
    below, rare_below = below[new], rare_below[new]
    flat = np.zeros(below.size, dtype=bool)
    for kind in (rare_below, below - rare_below):
        flat[1:-1] |= (kind[:-2] == kind[1:-1]) & (kind[1:-1] == kind[2:])
    return below[~flat]


def tie_groups(every: NDArray, rare: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return, for each distinct score of ``rare``, where its equals start and end in ``rare`` and in ``every``."""
    start = np.flatnonzero(np.concatenate(([True], rare[1:] != rare[:-1])))[: rare.size]
    end = np.append(start[1:], rare.size)[: start.size]
    at = np.searchsorted(every, rare[start])
    after = at + (end - start)
    shared = (after < every.size) & (every[np.minimum(after, every.size - 1)] == rare[start])
    after[shared] = np.searchsorted(every, rare[start[shared]], side="right")
    return start, end, at, after


def ceiling(thresholds: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Return the lowest values of another float type that are not below the thresholds: they accept the same scores."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(dtype)
    return np.where(rounded < thresholds, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def _as_bool(answers: NDArray) -> NDArray[np.bool_]:
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
            f"expected true or false. At trial index {index}. Keep only trials whose answer is known."
        )
    return answers.astype(bool)
