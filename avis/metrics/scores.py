"""Check scores against their answers and count both kinds of error at every threshold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ErrorRates(NamedTuple):
    """The two error rates at every threshold where they can change.

    Attributes
    ----------
    thresholds
        Distinct scores in rising order, then ``+inf`` (accept nothing): float64 ``[thresholds]``.
    fnr
        Share of target trials rejected, rising from 0 to 1: float64 ``[thresholds]``.
    fpr
        Share of non-target trials accepted, falling from 1 to 0: float64 ``[thresholds]``.
    """

    thresholds: NDArray[np.float64]
    fnr: NDArray[np.float64]
    fpr: NDArray[np.float64]


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
        Scores as float64 and answers as bool, both ``[trials]``.

    Raises
    ------
    ValueError
        If the lengths differ, there is no trial, a score is not finite, an answer is unknown, or all answers are alike.

    Examples
    --------
    >>> check([0.5, -0.5], [1, 0])
    (array([ 0.5, -0.5]), array([ True, False]))
    """
    values = np.asarray(scores, dtype=np.float64)
    answers = np.asarray(target)
    if values.ndim != 1 or values.shape != answers.shape:
        raise ValueError(
            f"Every trial needs one score and one answer: got scores={list(values.shape)} and "
            f"target={list(answers.shape)}, expected two arrays [trials] of one length. Join them by trial first."
        )
    if values.size == 0:
        raise ValueError(
            "Metrics need trials: got trials=0, expected at least one target and one non-target. Check the trial list."
        )
    finite = np.isfinite(values)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(
            f"Scores must be finite: got score={values[index]} and {np.count_nonzero(~finite)} such scores, expected a "
            f"number. At trial index {index}. Check the embeddings of this trial for NaN or zero vectors."
        )
    known = _as_bool(answers)
    num_target = int(np.count_nonzero(known))
    if num_target in (0, known.size):
        raise ValueError(
            f"Error rates need both kinds of trial: got num_target={num_target} and "
            f"num_nontarget={known.size - num_target}, expected at least one of each. Check the trial list."
        )
    return values, known


def error_rates(scores: ArrayLike, target: ArrayLike) -> ErrorRates:
    """Count misses and false alarms at every distinct score, with one sort.

    A trial is accepted if ``score >= threshold``. Trials with equal scores are always decided together, so the result
    does not depend on the order of the trials.

    Parameters
    ----------
    scores, target
        See `check`.

    Returns
    -------
    ErrorRates
        Thresholds, false-negative (miss) and false-positive (false-alarm) rates as fractions.

    Raises
    ------
    ValueError
        See `check`.

    Examples
    --------
    >>> error_rates([1, 2, 2], [False, True, False]).fpr
    array([1. , 0.5, 0. ])
    """
    values, known = check(scores, target)
    order = np.argsort(values)
    ordered = values[order]
    first_of_tie = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    targets_before = np.concatenate(([0], np.cumsum(known[order])))
    starts = np.append(first_of_tie, values.size)
    rejected_targets = targets_before[starts]
    accepted_nontargets = (values.size - starts) - (targets_before[-1] - rejected_targets)
    num_target = targets_before[-1]
    return ErrorRates(
        thresholds=np.append(ordered[first_of_tie], np.inf),
        fnr=rejected_targets / num_target,
        fpr=accepted_nontargets / (values.size - num_target),
    )


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
