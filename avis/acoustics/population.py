"""What is usual among speakers, and how much one speaker differs from recording to recording.

References
----------
Brümmer and De Villiers, "The Speaker Partitioning Problem", Odyssey 2010 (the two-covariance model).
Searle, Casella and McCulloch, "Variance Components", Wiley, 1992, section 3.6 (one-way classification, unbalanced).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avis.acoustics.measure import ATTRIBUTES

MIN_SPEAKERS = 5
MIN_UTTERANCES = 2
"""Fewer speakers with fewer recordings tell nothing of variances."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """A two-covariance model of each attribute by itself: normal speakers, and normal recordings of each.

    Statistics are of values as they are, or of twelve times their binary logarithm where `ATTRIBUTES` says so. An
    attribute that too few speakers have, or that does not vary, has NaN for all statistics, and None for answers.

    Attributes
    ----------
    names : str [attributes]
        Keys of `ATTRIBUTES`.
    mean : float64 [attributes]
        Mean over speakers.
    between, within : float64 [attributes]
        Variance of speakers, and of recordings of one speaker.
    speaker_means : float64 [attributes, speakers]
        Mean of each speaker's recordings, ascending; NaN, last, for speakers without a value.
    """

    names: NDArray[np.str_]
    mean: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]
    speaker_means: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.floating], speakers: NDArray) -> "Population":
        """Learn from recordings of known speakers.

        Parameters
        ----------
        values : float [utterances, attributes]
            As `avis.acoustics.measure.measure` returns them, in the order of `ATTRIBUTES`, NaN for None.
        speakers : [utterances]
            Name or number of each utterance's speaker.

        Raises
        ------
        ValueError
            If the lengths differ, or no attribute has at least five speakers with two values.
        """
        assert values.shape[1:] == (len(ATTRIBUTES),), "a column for each attribute"
        if len(speakers) != len(values):
            raise ValueError(
                f"Each recording has one speaker: got speakers={len(speakers)} and recordings={len(values)}, expected "
                "as many. Join them by recording first."
            )
        speaker = np.unique(np.asarray(speakers), return_inverse=True)[1]
        scaled = [_scaled(name, column) for name, column in zip(ATTRIBUTES, values.T, strict=True)]
        found = [_components(column, speaker) for column in scaled]
        num_speakers = max(components.num_repeated for components in found)
        if num_speakers < MIN_SPEAKERS:
            raise ValueError(
                "A population has speakers who are heard again: got "
                f"num_speakers={num_speakers} with {MIN_UTTERANCES} or more recordings of enough voice, expected at "
                f"least {MIN_SPEAKERS} speakers of {MIN_UTTERANCES} recordings. Fit it on more data."
            )
        return cls(
            names=np.array(list(ATTRIBUTES)),
            mean=np.array([components.mean for components in found]),
            between=np.array([components.between for components in found]),
            within=np.array([components.within for components in found]),
            speaker_means=np.array([components.speaker_means for components in found]),
        )

    @classmethod
    def restored(cls, state: Mapping[str, NDArray]) -> "Population":
        """Take back what `state` returned."""
        return cls(**state)

    def state(self) -> dict[str, NDArray]:
        """Return what was learnt, as arrays to keep."""
        return asdict(self)

    def num_speakers(self, attribute: str) -> int:
        """Return how many speakers the attribute's percentiles are of."""
        return int(np.count_nonzero(np.isfinite(self.speaker_means[self._row(attribute)])))

    def rho(self, attribute: str) -> float | None:
        """Return the share of the variance that is of speakers, 0 to 1: how much the attribute tells."""
        row = self._row(attribute)
        return _known(self.between[row] / (self.between[row] + self.within[row]))

    def z_score(self, attribute: str, value: float | None) -> float | None:
        """Return by how many standard deviations of recordings a value, in the attribute's unit, is above the mean."""
        row = self._row(attribute)
        if value is None:
            return None
        deviation = np.sqrt(self.between[row] + self.within[row])
        return _known((_scaled(attribute, value) - self.mean[row]) / deviation)

    def percentile(self, attribute: str, value: float | None) -> float | None:
        """Return how many of a hundred speakers have a lower value, in the attribute's unit, in the mean.

        Of speakers with the same value half count.
        """
        row = self._row(attribute)
        if value is None or np.isnan(self.mean[row]):
            return None
        means = self.speaker_means[row, : self.num_speakers(attribute)]
        below, up_to = (np.searchsorted(means, _scaled(attribute, value), side=side) for side in ("left", "right"))
        return float(50.0 * (below + up_to) / len(means))

    def llr(self, attribute: str, one: float | None, other: float | None) -> float | None:
        """Return the natural-log likelihood ratio of one speaker against two, by two values in the attribute's unit.

        It is of the attribute alone. Attributes depend on one another and on the recording, so that ratios of several
        do not add up; and in the tails it is the normal distribution that speaks, not speakers.
        """
        rho, u, v = self.rho(attribute), self.z_score(attribute, one), self.z_score(attribute, other)
        return None if rho is None or u is None or v is None else float(two_covariance_llr(u, v, rho=rho))

    def _row(self, attribute: str) -> int:
        [row] = np.flatnonzero(self.names == attribute)
        return int(row)


def two_covariance_llr(u: ArrayLike, v: ArrayLike, *, rho: float) -> NDArray[np.float64]:
    """Return the natural-log ratio of a bivariate standard normal density of correlation ``rho`` to one of none.

    Values that are alike speak for one speaker, and more so where they are rare.

    Parameters
    ----------
    u, v : array_like [trials]
        z-scores of both sides.
    rho : float
        Variance between speakers by all variance, at least 0 and below 1.

    Examples
    --------
    >>> two_covariance_llr([0.0, 2.0, 2.0], [0.0, 2.0, -2.0], rho=0.8).round(6)
    array([  0.510826,   2.288603, -15.489174])
    """
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    rest = 1.0 - rho**2
    return -0.5 * np.log(rest) - (rho**2 * (u**2 + v**2) - 2.0 * rho * u * v) / (2.0 * rest)


class _Components(NamedTuple):
    mean: float
    between: float
    within: float
    speaker_means: NDArray[np.float64]
    num_repeated: int


def _components(values: NDArray[np.float64], speaker: NDArray[np.intp]) -> _Components:
    """Estimate variance components by the analysis of variance; ``speaker`` ``[utterances]`` counts from 0.

    The mean is the one of least variance given the components, whatever the numbers of recordings.
    """
    has_value = np.isfinite(values)
    counts = np.bincount(speaker[has_value], minlength=speaker.max(initial=-1) + 1)
    sums = np.bincount(speaker[has_value], weights=values[has_value], minlength=len(counts))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    num_repeated = int(np.count_nonzero(counts >= MIN_UTTERANCES))
    unknown = _Components(np.nan, np.nan, np.nan, np.sort(means), num_repeated)
    if num_repeated < MIN_SPEAKERS:
        return unknown
    within_squares = np.sum((values - means[speaker])[has_value] ** 2)
    counts, means = counts[counts > 0], means[counts > 0]
    total, more_speakers = counts.sum(), len(counts) - 1
    within = within_squares / (total - len(counts))
    if within <= 0.0:
        return unknown
    between_squares = np.sum(counts * (means - np.average(means, weights=counts)) ** 2)
    usual_count = (total - np.sum(counts**2) / total) / more_speakers
    between = max(0.0, (between_squares / more_speakers - within) / usual_count)
    mean = np.average(means, weights=1.0 / (between + within / counts))
    return unknown._replace(mean=float(mean), between=float(between), within=float(within))


def _scaled(attribute: str, values: ArrayLike) -> NDArray[np.float64]:
    """Bring values to the scale on which statistics are."""
    values = np.asarray(values, dtype=np.float64)
    return 12.0 * np.log2(values) if ATTRIBUTES[attribute].logarithmic else values


def _known(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)
