"""What an evaluation says of one trial list, as ``metrics.json`` has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from avis.metrics.equalised import EqualisedCosts
from avis.metrics.identification import IdentificationFigures
from avis.metrics.intervals import Differences, Intervals
from avis.metrics.subgroups import Subgroups
from avis.metrics.summary import Summary


@dataclass(frozen=True)
class CalibrationFacts:
    """Where log-likelihood ratios are capped, and what their calibration was fitted on.

    Parameters
    ----------
    lower, upper : float
        Lowest and highest ratio (natural logarithm).
    num_speakers : int or None
        Speakers of the calibration trials; None where they are not known.
    num_target, num_nontarget : int
        Calibration trials of each kind.
    beyond : tuple of float
        Thresholds of stated costs that no ratio reaches.
    """

    lower: float
    upper: float
    num_speakers: int | None
    num_target: int
    num_nontarget: int
    beyond: tuple[float, ...] = ()


@dataclass(frozen=True)
class FusedSystem:
    """One of several systems whose scores were fused.

    Parameters
    ----------
    scores, development : str
        Where its scores of the list are, and those that weights were fitted on.
    column : str
        Which kind of score was fused.
    weight : float
        Factor of its scores.
    eer : float or None
        Its own equal error rate on the list; None where answers are not known.
    """

    scores: str
    development: str
    column: str
    weight: float
    eer: float | None


@dataclass(frozen=True)
class FusionFacts:
    """What scores were fused of: systems by name, and the offset added to their weighted sum."""

    systems: Mapping[str, FusedSystem]
    offset: float


@dataclass(frozen=True)
class Baseline:
    """Another system on the same trials.

    Parameters
    ----------
    scores : str
        Where its scores are.
    summary : Summary
        Its figures.
    differences : Differences
        Figures of the list less its.
    """

    scores: str
    summary: Summary
    differences: Differences


@dataclass(frozen=True, kw_only=True)
class ListFigures:
    """Figures of one trial list, as every evaluation states them.

    Parameters
    ----------
    summary : Summary
        All standard figures.
    intervals : Intervals or None
        Intervals of these over speakers.
    intervals_note : str or None
        Why there are none.
    scores : str
        Where the scores are, seen from the folder of ``metrics.json`` if they are below it.
    """

    summary: Summary
    intervals: Intervals | None = None
    intervals_note: str | None = None
    scores: str = ""


@dataclass(frozen=True, kw_only=True)
class ListMetrics(ListFigures):
    """All that an evaluation says of one trial list.

    Parameters
    ----------
    identification : IdentificationFigures or None
        Who of the enrolled it is, where that was asked for.
    identification_note : str or None
        Why that was asked for and is not stated.
    subgroups : mapping of str to Subgroups
        Figures by the values of columns, as far as asked for.
    dcf_equalised : mapping of str to EqualisedCosts
        Costs by protocol, where the list has its conditions.
    baseline : Baseline or None
        The system that this one was compared with.
    fusion : FusionFacts or None
        What the scores were fused of, where they were.
    calibration : CalibrationFacts or None
        What is known of the ratios' calibration, where AVIS calibrated them.
    trained_on : str or None
        What the model and those before it were trained on, in words, where AVIS scored the trials.
    """

    identification: IdentificationFigures | None = None
    identification_note: str | None = None
    subgroups: Mapping[str, Subgroups] = field(default_factory=dict)
    dcf_equalised: Mapping[str, EqualisedCosts] = field(default_factory=dict)
    baseline: Baseline | None = None
    fusion: FusionFacts | None = None
    calibration: CalibrationFacts | None = None
    trained_on: str | None = None
