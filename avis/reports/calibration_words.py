"""Say what a calibration rests on and where it caps its likelihood ratios."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


def capped_at(calibration: Mapping[str, Any]) -> str:
    """Return the bounds of `avis.scoring.calibration.Calibration.facts` in words.

    >>> capped_at({"lower": -2.0, "upper": 4.0})
    'capped at -2.00 and 4.00 (7.4 to 1 against, 54.6 to 1 for the same speaker)'
    """
    lower, upper = calibration["lower"], calibration["upper"]
    return (
        f"capped at {lower:.2f} and {upper:.2f} ({math.exp(-lower):,.1f} to 1 against, {math.exp(upper):,.1f} to 1 for "
        "the same speaker)"
    )


def fitted_on(calibration: Mapping[str, Any]) -> str:
    """Return how much the calibration was fitted on.

    >>> fitted_on({"num_speakers": 6, "num_target": 1200, "num_nontarget": 5000})
    '6 speakers, 1,200 target and 5,000 non-target trials'
    """
    num_speakers = calibration["num_speakers"]
    speakers = "unknown speakers" if num_speakers is None else f"{num_speakers:,} speakers"
    return f"{speakers}, {calibration['num_target']:,} target and {calibration['num_nontarget']:,} non-target trials"


def beyond_cap(calibration: Mapping[str, Any], thresholds: Iterable[float]) -> list[float]:
    """Return those of some thresholds on log-likelihood ratios by which capped ratios are all decided one way.

    >>> beyond_cap({"lower": -2.0, "upper": 4.0}, [-2.0, -1.9, 4.0, 4.6])
    [-2.0, 4.6]
    """
    return [threshold for threshold in thresholds if not calibration["lower"] < threshold <= calibration["upper"]]
