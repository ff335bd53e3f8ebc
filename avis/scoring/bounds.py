"""How strong likelihood ratios may be for the data that they were calibrated on to bear them out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sources(NamedTuple):
    """How many independent pieces of evidence trials hold."""

    num_target: int
    """Speakers of the target trials."""

    num_nontarget: int
    """Pairs of speakers of the non-target trials."""


def count_sources(target: NDArray[np.bool_], speakers: NDArray[np.integer] | None) -> Sources:
    """Count speakers of target trials and pairs of speakers of non-target trials.

    Several trials of the same speakers are taken for one. Pairs count although they share speakers: of the variance of
    a rate over pairs the share that is due to common speakers falls with its square, that of the pairs with the rate
    itself, which at a rate of one pair in all is far more.

    Parameters
    ----------
    target : bool [trials]
        Whether one speaker is on both sides.
    speakers : int [trials, 2] or None
        Numbers of the speakers of both sides; None if every trial has speakers of its own.

    Examples
    --------
    >>> same, different = [[0, 0], [0, 0], [1, 1]], [[0, 1], [1, 0], [2, 1]]
    >>> count_sources(np.array([True] * 3 + [False] * 3), np.array(same + different))
    Sources(num_target=2, num_nontarget=2)
    """
    if speakers is None:
        return Sources(int(np.count_nonzero(target)), int(np.count_nonzero(~target)))
    pairs = np.sort(speakers, axis=1)
    return Sources(*(len(np.unique(pairs[rows], axis=0)) for rows in (target, ~target)))


def empirical_bounds(llr: NDArray[np.floating], target: NDArray[np.bool_], sources: Sources) -> tuple[float, float]:
    """Return the empirical lower and upper bound (ELUB) of log-likelihood ratios, natural logarithm.

    As far as the upper bound, whoever decides by these ratios at any threshold above 0 fares no worse than whoever
    rejects all, even if one more pair of speakers and one more speaker were misjudged; likewise the lower bound. So
    the bounds are within ``log(num_nontarget + 1)`` and ``-log(num_target + 1)``. The source counts trials, which are
    independent there; here it is speakers and their pairs that count.

    Parameters
    ----------
    llr : float [trials]
        Natural-log likelihood ratios.
    target : bool [trials]
        Whether one speaker is on both sides.
    sources : Sources
        See `count_sources`.

    Returns
    -------
    lower, upper : float
        At most and at least 0.

    References
    ----------
    Vergeer, van Es, de Jongh, Alberink and Stoel, "Numerical likelihood ratios outputted by LR systems are often based
    on extrapolation: when to stop extrapolating?", Science and Justice 56, 2016.

    Examples
    --------
    Three speakers told from each other without error, in whom one more error would have been a quarter:

    >>> llr, target = np.array([9.0] * 3 + [-9.0] * 3), np.array([True] * 3 + [False] * 3)
    >>> np.exp(empirical_bounds(llr, target, Sources(3, 3))).round(4)
    array([0.3333, 3.    ])
    """
    upper = _upper_bound(llr[target], llr[~target], *sources)
    return 0.0 - _upper_bound(-llr[~target], -llr[target], *reversed(sources)), upper


def _upper_bound(
    same: NDArray[np.floating], different: NDArray[np.floating], num_same: int, num_different: int
) -> float:
    """Return how far thresholds may rise from 0 until ``miss + exp(threshold) * false_alarm`` exceeds 1.

    Both rates have one more error, and are constant from each ratio to the next.
    """
    steps = np.unique(np.concatenate([same, different]))
    begin = np.append(0.0, steps[steps > 0.0])
    end = np.append(begin[1:], np.inf)
    hit = 1.0 - np.searchsorted(np.sort(same), begin, side="right") / len(same)
    false_alarm = 1.0 - np.searchsorted(np.sort(different), begin, side="right") / len(different)
    with np.errstate(divide="ignore"):
        limit = np.log(hit * num_same / (num_same + 1)) - np.log(
            (false_alarm * num_different + 1) / (num_different + 1)
        )
    first = int(np.argmax(limit < end))
    return float(max(begin[first], limit[first]))
