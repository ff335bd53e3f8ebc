"""How far scores fall where the two recordings of a trial are unlike: a regression, for either kind of trial.

What two recordings differ in goes together (short ones are noisy, of telephones narrow), so weights are of one
difference, the others held; and they say what goes with scores, not what moves them: that is told of single trials.

After Gonzalez Hautamäki and Kinnunen, "Why did the x-vector system miss a target speaker? Impact of acoustic mismatch
upon target score on VoxCeleb data", 2020, https://arxiv.org/abs/2008.04578, who let speakers have random effects, where
here errors are clustered by the speakers of both sides.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.explain.corpus.least_squares import Fit, least_squares

SPEAKERS_BEYOND = 2
"""So many speakers at least beyond the columns of a regression: the errors rest on speakers."""


class Regression(NamedTuple):
    """What goes with a score.

    Attributes
    ----------
    names : list of str
        Of the differences that were fitted, after the constant: the weights of ``fit``.
    fit : Fit or None
        None where there is nothing to be fitted on.
    left_out : dict of str to str
        Differences that were not fitted, and why; and why there is no fit.
    num_unknown : int
        Trials of which a difference is not known.
    """

    names: list[str]
    fit: Fit | None
    left_out: dict[str, str]
    num_unknown: int


def differences(
    enroll: Mapping[str, NDArray[np.floating]], test: Mapping[str, NDArray[np.floating]]
) -> dict[str, NDArray[np.float64]]:
    """Return by how much the sides of trials differ in noise, bandwidth and seconds of speech, with units.

    Parameters
    ----------
    enroll, test : mapping of str to float [trials]
        ``snr_db``, ``bandwidth_hz`` and ``speech_s``; NaN where it is not known.

    Examples
    --------
    >>> sides = [{"snr_db": np.array([20.0]), "bandwidth_hz": np.array([4000.0]), "speech_s": np.array([8.0])},
    ...          {"snr_db": np.array([26.0]), "bandwidth_hz": np.array([7000.0]), "speech_s": np.array([2.0])}]
    >>> {name: values.tolist() for name, values in differences(*sides).items()}
    {'SNR, dB': [6.0], 'bandwidth, kHz': [3.0], 'speech, doubling': [2.0]}
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        doublings = np.abs(np.log2(np.asarray(enroll["speech_s"], np.float64) / test["speech_s"]))
    return {
        "SNR, dB": np.abs(np.asarray(enroll["snr_db"], np.float64) - test["snr_db"]),
        "bandwidth, kHz": np.abs(np.asarray(enroll["bandwidth_hz"], np.float64) - test["bandwidth_hz"]) / 1000,
        "speech, doubling": np.where(np.isfinite(doublings), doublings, np.nan),
    }


def regress(
    unlike: Mapping[str, NDArray[np.floating]], scores: NDArray[np.floating], speakers: NDArray[np.integer]
) -> Regression:
    """Regress scores of trials of one kind on how unlike their sides are.

    Parameters
    ----------
    unlike : mapping of str to float [trials]
        By the name of each difference; NaN where it is not known.
    scores : float [trials]
    speakers : int [trials, 2]
        Numbers of the speakers of both sides.
    """
    left_out: dict[str, str] = {}
    known = np.ones(len(scores), bool)
    for name, values in unlike.items():
        if not np.isfinite(values).any():
            left_out[name] = "not known of any trial"
        else:
            known &= np.isfinite(values)
    columns = {}
    for name in (name for name in unlike if name not in left_out):
        values = np.asarray(unlike[name], np.float64)[known]
        if values.size and np.ptp(values) > 0:
            columns[name] = values
        else:
            left_out[name] = "the same in all trials"
    design = np.column_stack([np.ones(int(known.sum())), *columns.values()])
    of_both = speakers[known]
    num_unknown = int(len(scores) - known.sum())
    if why := _hindrance(design, of_both):
        return Regression([], None, {**left_out, "all": why}, num_unknown)
    return Regression([*columns], least_squares(design, np.asarray(scores)[known], of_both), left_out, num_unknown)


def _hindrance(design: NDArray[np.float64], speakers: NDArray[np.integer]) -> str | None:
    num, least = len(np.unique(speakers)), design.shape[1] + SPEAKERS_BEYOND
    if design.shape[1] == 1:
        return "nothing differs"
    if num < least:
        return f"{num} speakers, of whom {least} are the least"
    if np.linalg.matrix_rank(design / np.abs(design).max(axis=0)) < design.shape[1]:
        return "one difference follows from the others"
    return None
