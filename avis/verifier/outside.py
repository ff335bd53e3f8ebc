"""What of a comparison is unlike all that the calibration has seen, in words that a person understands."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from avis.scoring.calibration import Calibration

SAID = {
    "duration_lower": ("the shorter recording has {} of speech", " s"),
    "duration_distance": ("one recording has {} as much speech as the other", " times"),
    "magnitude_lower": ("the shorter of the two embeddings has a length of {}", ""),
    "magnitude_distance": ("one embedding is {} as long as the other", " times"),
    "cohort_mean_lower": ("the lower of the two mean scores against the cohort is {}", ""),
    "cohort_mean_distance": ("the two mean scores against the cohort are {} apart", ""),
}
"""By the names of `avis.scoring.feature_range.feature_names`, with the unit."""


def outside(calibration: Calibration, features: NDArray[np.floating], *, beside: str = "") -> Iterator[str]:
    """Say what of one trial lies outside of the calibrated range; of more speech only if there is nothing worse.

    Parameters
    ----------
    calibration : Calibration
    features : float [1, features]
        See `avis.scoring.calibration.quality_features`.
    beside : str
        With whom it was compared, where there were several.
    """
    names, lowest, highest = calibration.range
    unknown, outside_of_it = calibration.range.unknown(features)[0], calibration.outside(features)[0]
    for column in np.flatnonzero(unknown if unknown.any() else outside_of_it):
        name, value = names[column], features[0, column]
        end, more = (lowest[column], "more") if value < lowest[column] else (highest[column], "less")
        yield (
            f"Outside what was calibrated{f' (beside {beside})' if beside else ''}: "
            f"{SAID[name][0].format(_amount(name, value))}, the calibration has seen {_amount(name, end)} and {more}."
        )


def _amount(name: str, value: float) -> str:
    """Say a feature in two digits.

    >>> _amount("duration_lower", float(np.log(0.6))), _amount("cohort_mean_lower", -0.0312)
    ('0.6 s', '-0.031')
    """
    plain = value if name.startswith("cohort_mean") else np.exp(value)
    return np.format_float_positional(float(f"{plain:.2g}"), trim="-") + SAID[name][1]
