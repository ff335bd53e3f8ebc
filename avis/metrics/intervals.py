"""What drawing speakers says of figures: intervals, differences of two systems, and whether these are chance."""

from collections.abc import Mapping
from typing import NamedTuple

from avis.metrics.figures import Figure


class Interval(NamedTuple):
    """Lower and upper end of a confidence interval."""

    low: float
    high: float

    @property
    def has_width(self) -> bool:
        """Whether the draws differ: where no trial is decided wrongly, none do, and the interval says nothing."""
        return self.low < self.high


class Draws(NamedTuple):
    """How speakers were drawn.

    Attributes
    ----------
    confidence : float
        Share of the draws inside an interval, between 0 and 1.
    num_draws : int
        Draws of speakers, empty ones among them.
    num_empty : int
        Draws that were left out, since they held no target or no non-target trial.
    num_speakers : int
        Speakers of the list.
    """

    confidence: float
    num_draws: int
    num_empty: int
    num_speakers: int


class Intervals(NamedTuple):
    """An interval for every figure, all from the same draws of speakers.

    Attributes
    ----------
    figures : mapping of Figure to Interval
        Empty if every draw was.
    draws : Draws
        Where they come from.
    """

    figures: Mapping[Figure, Interval]
    draws: Draws


class Difference(NamedTuple):
    """A figure of one system, compared with that of another.

    Attributes
    ----------
    difference : float
        This system's figure less the other's.
    interval : Interval or None
        Interval of the difference over draws of speakers; None where there were none.
    p_value : float or None
        Two-sided bootstrap p-value of no difference; None where speakers were not drawn.
    """

    difference: float
    interval: Interval | None = None
    p_value: float | None = None


class Differences(NamedTuple):
    """Two systems compared in every figure that both have.

    Attributes
    ----------
    figures : mapping of Figure to Difference
        Differences in the order of the figures.
    draws : Draws or None
        Where intervals and p-values come from; None where speakers were not drawn.
    note : str or None
        Why speakers were not drawn; None where they were.
    """

    figures: Mapping[Figure, Difference]
    draws: Draws | None
    note: str | None = None

    def is_beyond_chance(self, figure: Figure) -> bool | None:
        """Tell whether a difference is more than chance explains, None where nobody can say."""
        p_value = self.figures[figure].p_value
        return None if p_value is None or self.draws is None else beyond_chance(p_value, self.draws.confidence)


def beyond_chance(p_value: float, confidence: float) -> bool:
    """Tell whether a difference is more than chance explains.

    >>> beyond_chance(0.049, 0.95), beyond_chance(0.05, 0.95)
    (True, False)
    """
    return p_value + confidence < 1.0


def least_p_value(num_draws: int) -> float:
    """Return the p-value of a difference that has one sign in every draw: none is lower."""
    return 2.0 / (1 + num_draws)
