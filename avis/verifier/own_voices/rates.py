"""Error rates of decisions about one's own voices, with intervals that hold for other people like them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from avis.metrics.bootstrap import Resampling, speaker_intervals
from avis.metrics.eer import equal_error_rate
from avis.metrics.figures import EER, FigureSet
from avis.metrics.trials import Trials
from avis.scoring.bounds import count_sources
from avis.verifier.own_voices.forms import Scored

LEVEL = 0.95
DRAWS = Resampling(num_draws=1000, confidence=LEVEL, seed=0)
EER_ALONE = FigureSet(protocols={}, fmrs=())


@dataclass(frozen=True)
class Rate:
    """An error rate.

    Attributes
    ----------
    value, low, high : float
        As observed, and where it lies with other people at 95 %. ``high`` is never below what is borne out where
        nothing is wrong: the rate at which so many independent sources are without error one time in 20 (of many: three
        by their number).
    num_wrong, num_trials, num_sources : int
        Trials decided wrongly, trials, and the people or pairs of people that they are of.
    """

    value: float
    low: float
    high: float
    num_wrong: int
    num_trials: int
    num_sources: int


def most_without_error(num_sources: int) -> float:
    """Return the rate at which so many independent sources are all without error one time in 20.

    >>> round(most_without_error(10), 4), round(most_without_error(1000), 4)
    (0.2589, 0.003)
    """
    return float(-np.expm1(np.log1p(-LEVEL) / num_sources))


def rate(wrong: NDArray[np.bool_], speakers: NDArray[np.integer]) -> Rate:
    """Return how often decisions of one kind of trial are wrong.

    The interval is Clopper's and Pearson's of as many independent trials as have the variance that the rate has over
    people, so that it neither counts a person's trials as independent nor needs many people. In simulation of 6 to 30
    people those of 95 % held in 91 to 100 cases of 100; of false accepts that are mostly due to a few people, in 83 to
    99. (Percentiles of draws of 12 and 20 people held in 90.)

    Parameters
    ----------
    wrong : bool [trials]
        Of target or of non-target trials.
    speakers : int [trials, 2]
        Numbers of the people.

    References
    ----------
    Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", Survey Methodology 24, 1998.

    Examples
    --------
    Two of 40 trials, one of each of 40 pairs of people, are wrong:

    >>> each = rate(np.arange(40) < 2, np.arange(80).reshape(40, 2))
    >>> each.value, round(each.low, 3), round(each.high, 3)
    (0.05, 0.006, 0.169)
    """
    num, num_wrong = len(wrong), int(np.count_nonzero(wrong))
    value, tail = num_wrong / num, (1.0 - LEVEL) / 2
    low = high = value
    if 0 < num_wrong < num:
        effective = min(num, _independent(wrong, speakers))
        wrongly, rightly = value * effective, (1.0 - value) * effective
        low = float(betaincinv(wrongly, rightly + 1, tail))
        high = float(betaincinv(wrongly + 1, rightly, 1 - tail))
    return _coherent(value, low, high, num_wrong, num, len(np.unique(np.sort(speakers), axis=0)))


def _coherent(value: float, low: float, high: float, num_wrong: int, num_trials: int, num_sources: int) -> Rate:
    """Widen an interval to what is borne out where no trial, or every one, is wrong: some errors are no better news."""
    reach = most_without_error(num_sources)
    return Rate(value, min(low, 1.0 - reach), max(high, reach), num_wrong, num_trials, num_sources)


def _independent(wrong: NDArray[np.bool_], speakers: NDArray[np.integer]) -> float:
    """Return how many independent trials would give the rate as exactly as these do, which share people.

    See Aronow, Samii and Assenova, "Cluster-Robust Variance Estimation for Dyadic Data", Political Analysis 23, 2015.
    """
    num, excess = len(wrong), (wrong - wrong.mean()) / len(wrong)
    (enroll, test), num_people = _numbers(speakers)
    of_pairs = np.bincount(np.minimum(enroll, test) * num_people + np.maximum(enroll, test), excess)
    different = enroll != test
    of_people = np.bincount(enroll, excess, num_people) + np.bincount(test[different], excess[different], num_people)
    twice = of_pairs @ of_pairs if different.any() else 0.0
    variance = max(of_people @ of_people - twice, of_pairs @ of_pairs) * num_people / max(1, num_people - 1)
    tail = (1.0 + LEVEL) / 2
    widened = stdtrit(num - 1, tail) / stdtrit(max(1, num_people - 1), tail)
    return float(wrong.mean() * (1 - wrong.mean()) / variance * widened**2)


def _numbers(speakers: NDArray[np.integer]) -> tuple[NDArray[np.int64], int]:
    names, numbers = np.unique(speakers, return_inverse=True)
    return numbers.reshape(speakers.shape).T, len(names)


def eer(trials: Scored) -> Rate:
    """Return the equal error rate of scores, with the interval of draws of speakers."""
    value, at = equal_error_rate(trials.scores, trials.target)
    num_wrong = int(np.count_nonzero((trials.scores >= at) != trials.target))
    num_sources = min(count_sources(trials.target, trials.speakers))
    low = high = value
    if value > 0.0:
        by_speaker = Trials(trials.scores, trials.target, None, *trials.speakers.T)
        low, high = speaker_intervals(by_speaker, DRAWS, figure_set=EER_ALONE).figures[EER]
    return _coherent(value, low, high, num_wrong, len(trials.scores), num_sources)
