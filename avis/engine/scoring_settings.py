"""What makes scores of embeddings, and log-likelihood ratios and decisions of scores."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from avis import location
from avis.checkpoints.components import Component
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.backend import Backend
from avis.scoring.calibration import Calibration

MAX_WINDOW_S = 60.0
"""Of checkpoints whose configuration does not say ``max_window_s`` yet."""


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """What makes a score of two embeddings.

    Parameters
    ----------
    backend : Component
        See `avis.scoring.backend`.
    fit_utterances : int
        Utterances of training speakers that it is fitted on, at most.
    fit_copies : int
        Augmented crops of each of them that it is fitted on besides.
    adapt_corpus : str or None
        Corpus that it is adapted to.
    plain : mapping
        The configuration itself.
    """

    backend: Component[Backend]
    fit_utterances: NonNegativeInt
    fit_copies: NonNegativeInt
    adapt_corpus: str | None
    plain: Mapping[str, Any]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "BackendSettings":
        """Return those of a configuration's group ``scoring``."""
        return cls(
            backend=Component(plain["backend"]),
            fit_utterances=plain["fit_utterances"],
            fit_copies=plain["fit_copies"],
            adapt_corpus=plain.get("adapt_corpus"),
            plain=plain,
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """What makes a log-likelihood ratio of a score.

    Parameters
    ----------
    model : Component
    trials : str or None
        Path of the list that it is fitted on; None takes pairs of validation utterances.
    max_trials : int
        Pairs of each kind, at most.
    crops_s : list of float or None
        Shortest and longest length of crops that it is fitted on besides whole utterances.
    plain : mapping
        The configuration itself.
    """

    model: Component[Calibration]
    trials: str | None
    max_trials: PositiveInt
    crops_s: list[float] | None
    plain: Mapping[str, Any]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "CalibrationSettings":
        """Return those of a configuration's group ``calibration``.

        Raises
        ------
        ValueError
            If ``crops_s`` are not two lengths that make sense.
        """
        trials, crops_s = plain["trials"], plain.get("crops_s") or None
        in_order = isinstance(crops_s, list) and len(crops_s) == 2 and 0.0 < crops_s[0] <= crops_s[1] < math.inf
        if crops_s and not in_order:
            raise ValueError(
                f"crops out of range: got crops_s={crops_s} s, expected the shortest length, above 0, and the longest. "
                "At calibration.crops_s. Correct it, or give null for whole utterances alone."
            )
        return cls(
            model=Component(plain["model"]),
            trials=location.absolute(str(trials)) if trials is not None else None,
            max_trials=plain["max_trials"],
            crops_s=crops_s,
            plain=plain,
        )


def operating_point(given: Any, *, calibrated: bool) -> OperatingPoint | None:
    """Return the operating point of a configuration, None where there is none.

    Raises
    ------
    ValueError
        If it lacks a key, is out of range, or scores are not calibrated.
    """
    if given is None:
        return None
    if set(given) != {"p_target", "c_miss", "c_fa"} or not all(isinstance(v, int | float) for v in given.values()):
        raise ValueError(
            f"operating point incomplete: got {given}, expected numbers p_target, c_miss and c_fa. At operating_point. "
            "Give 'operating_point={p_target:0.01,c_miss:1,c_fa:1}', with the quotes."
        )
    if not calibrated:
        raise ValueError(
            f"decision without calibration: got operating_point={given} and no calibration, expected both. "
            "At calibration. Add calibration=linear, since its threshold is one on log-likelihood ratios, or "
            "operating_point=none."
        )
    return OperatingPoint(**given)
