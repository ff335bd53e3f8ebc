"""Which speakers a system errs with: goats, lambs and wolves.

A goat is rejected in trials of itself; a lamb is taken for others that come to where it is enrolled; a wolf is taken
for those that it comes to. Rates of a few trials scatter: a speaker stands out where an exact interval, widened for as
many looks as there are speakers, lies above the rate of all. Trials of one speaker are not independent, so that even
this says too much of speakers with few recordings.

Doddington et al., "Sheep, goats, lambs and wolves: a statistical analysis of speaker performance in the NIST 1998
speaker recognition evaluation", ICSLP 1998.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.explain.corpus.least_squares import CONFIDENCE
from avis.metrics.binomial import binomial_interval


class Animal(NamedTuple):
    """How often a system errs with a speaker.

    Attributes
    ----------
    speaker : str
    errors, trials : int
    rate : float
    low, high : float
        Where it lies, as if trials were independent, at `CONFIDENCE` for one look.
    stands_out : bool
        Whether the rate is above that of all speakers by more than chance, looking at each of them.
    """

    speaker: str
    errors: int
    trials: int
    rate: float
    low: float
    high: float
    stands_out: bool


class Zoo(NamedTuple):
    """Speakers by how often a system errs with them, the worst first.

    Attributes
    ----------
    fnmr, fmr : float or None
        Of all trials; None where there are none of the kind.
    goats : list of Animal
        By the share of their target trials that are rejected.
    lambs, wolves : list of Animal
        By the share of non-target trials that are accepted in which they are enrolled, and in which they are the test.
    """

    fnmr: float | None
    fmr: float | None
    goats: list[Animal]
    lambs: list[Animal]
    wolves: list[Animal]

    @property
    def kinds(self) -> Mapping[str, list[Animal]]:
        """The speakers by what they are called."""
        return {"goats": self.goats, "lambs": self.lambs, "wolves": self.wolves}


def zoo(accept: NDArray[np.bool_], target: NDArray[np.bool_], enroll: NDArray, test: NDArray) -> Zoo:
    """Count what becomes of each speaker's trials.

    Parameters
    ----------
    accept, target : bool [trials]
        What was decided, and what is so.
    enroll, test : str [trials]
        Who speaks on either side.

    Examples
    --------
    >>> accept, target = np.array([True, False, True, False]), np.array([True, True, False, False])
    >>> found = zoo(accept, target, np.array(["a", "b", "a", "b"]), np.array(["a", "b", "c", "c"]))
    >>> found.fnmr, [(goat.speaker, goat.errors, goat.trials) for goat in found.goats]
    (0.5, [('b', 1, 1), ('a', 0, 1)])
    >>> [(lamb.speaker, lamb.rate) for lamb in found.lambs], [(wolf.speaker, wolf.rate) for wolf in found.wolves]
    ([('a', 1.0), ('b', 0.0)], [('c', 0.5)])
    """
    missed, taken = ~accept[target], accept[~target]
    return Zoo(
        fnmr=float(missed.mean()) if missed.size else None,
        fmr=float(taken.mean()) if taken.size else None,
        goats=_animals(missed, enroll[target]),
        lambs=_animals(taken, enroll[~target]),
        wolves=_animals(taken, test[~target]),
    )


def _animals(wrong: NDArray[np.bool_], speakers: NDArray) -> list[Animal]:
    names, number = np.unique(speakers, return_inverse=True)
    trials = np.bincount(number, minlength=len(names))
    errors = np.bincount(number, weights=wrong, minlength=len(names)).astype(int)
    of_all = wrong.mean() if wrong.size else 0.0
    found = []
    for name, num_errors, num in zip(names.tolist(), errors.tolist(), trials.tolist(), strict=True):
        low, high = binomial_interval(num_errors, num, CONFIDENCE)
        lowest, _ = binomial_interval(num_errors, num, 1.0 - (1.0 - CONFIDENCE) / len(names))
        found.append(Animal(str(name), num_errors, num, num_errors / num, low, high, bool(lowest > of_all)))
    return sorted(found, key=lambda animal: (-animal.rate, -animal.trials, animal.speaker))
