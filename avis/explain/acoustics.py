"""What can be heard of both voices, and how usual that is: observed, and no cause of the score."""

from collections.abc import Mapping

import numpy as np

from avis.acoustics.band import VOICE_RATE_HZ
from avis.acoustics.measure import ATTRIBUTES, measure
from avis.acoustics.population import Population
from avis.audio.codec import to_float
from avis.explain.heard import Heard
from avis.explain.record import Attribute
from avis.explain.side import Side

MEASURED_S = 10.0
"""So much of a recording, from its start on, is measured, as of the recordings of a population."""


def attributes(population: Population | None, sides: tuple[Side, Side]) -> list[Attribute]:
    """Measure both sides, and see them against a population.

    Parameters
    ----------
    population : Population or None
        What is usual; without one there are the values alone.
    sides : (Side, Side)
        Enrolment and test. Several recordings of a side have the mean of their values, of ratios where `ATTRIBUTES`
        says so; a voiceprint has none.

    Returns
    -------
    list of Attribute
        In the order of `ATTRIBUTES`, without those that neither side has.
    """
    enroll, test = (_values(side) for side in sides)
    return compared(population, enroll, test)


def compared(
    population: Population | None, enroll: Mapping[str, float | None], test: Mapping[str, float | None]
) -> list[Attribute]:
    """Return what `attributes` does, of values as `avis.acoustics.measure.measure` returns them."""
    return [
        Attribute(
            name=name,
            unit=attribute.unit,
            enroll=enroll[name],
            test=test[name],
            enroll_percentile=population.percentile(name, enroll[name]) if population else None,
            test_percentile=population.percentile(name, test[name]) if population else None,
            llr=population.llr(name, enroll[name], test[name]) if population else None,
        )
        for name, attribute in ATTRIBUTES.items()
        if not enroll[name] is test[name] is None
    ]


def _values(side: Side) -> dict[str, float | None]:
    measured = [_measured(each) for each in side.heard if each.sample_rate >= VOICE_RATE_HZ]
    return {name: _mean(name, [each[name] for each in measured]) for name in ATTRIBUTES}


def _measured(heard: Heard) -> dict[str, float | None]:
    samples = to_float(heard.values[: round(MEASURED_S * heard.sample_rate)])
    return measure(samples, sample_rate=heard.sample_rate)


def _mean(name: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return float(np.exp(np.mean(np.log(known))) if ATTRIBUTES[name].logarithmic else np.mean(known))
