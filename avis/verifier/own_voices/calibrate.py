"""Calibrate a verifier on the voices that it is for, and say what is to be expected of it there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from avis.metrics.operating_point import OperatingPoint
from avis.scoring.calibration import Calibration, ScoresDoNotRise, log_duration, quality_features
from avis.verifier.folder import CALIBRATING
from avis.verifier.own_voices import words
from avis.verifier.own_voices.crossing import Decided, cross_validated, fitted
from avis.verifier.own_voices.errors import Confusable, Errors, confusable_people, enough_seconds, errors_of
from avis.verifier.own_voices.forms import WHOLE, ScoredForms, score_forms
from avis.verifier.own_voices.rates import most_without_error
from avis.verifier.own_voices.recording import OwnRecording
from avis.verifier.own_voices.trials import Kept, pair, sort_out
from avis.verifier.verifier import Verifier

LEAST_PEOPLE = 4
"""So that without two of them there are still two to tell apart."""


@dataclass(frozen=True, kw_only=True)
class OwnVoices:
    """What own voices tell of a verifier, and a calibration on them; `calibrate` makes it.

    Attributes
    ----------
    num_people : int
    recordings_each : (int, int)
        Least and most recordings of a person.
    notes : tuple of str
        What was left out, and what to keep in mind.
    operating_point : OperatingPoint
    threshold : float
        Of log-likelihood ratios, which follows from it.
    speech_s : float
        Median seconds of speech.
    score : float or None
        What the threshold comes to, of two recordings of ``speech_s`` each.
    refusal : str or None
        Why nothing can be decided; None where it can.
    least_false_accepts : float
        The rate that so many pairs of people bear out where not one is taken for one person.
    whole : Errors
        Of whole recordings.
    by_seconds : dict of float to Errors
        Of recordings cut to so many seconds of speech, as far as there are both kinds of trial.
    enough_s : float or None
        Seconds of speech from which on both errors together are at most
        `avis.verifier.own_voices.errors.TOLERATED` times as frequent as with whole recordings.
    confusable : tuple of Confusable
        The most confusable first.
    calibration : Calibration or None
        On all of them; None where the scores do not bear it.
    """

    num_people: int
    recordings_each: tuple[int, int]
    notes: tuple[str, ...]
    operating_point: OperatingPoint
    threshold: float
    speech_s: float
    score: float | None
    refusal: str | None
    least_false_accepts: float
    whole: Errors
    by_seconds: dict[float, Errors]
    enough_s: float | None
    confusable: tuple[Confusable, ...]
    calibration: Calibration | None

    def calibrated(self, verifier: Verifier) -> Verifier:
        """Return the verifier with this calibration, which decides at this operating point.

        Raises
        ------
        ValueError
            If nothing can be decided.
        """
        if self.refusal is not None or self.calibration is None:
            raise ValueError(
                f"nothing to decide by: got {self.num_people} people, expected such as a decision can rest on: "
                f"{self.refusal} At the voices. Record more people, or take another operating point."
            )
        whole = self.whole
        figures = {
            "eer": whole.eer.value,
            "eer_interval": [whole.eer.low, whole.eer.high],
            "num_target": whole.num_target,
            "num_nontarget": whole.num_nontarget,
        }
        parts = replace(
            verifier.parts,
            calibration=self.calibration,
            calibrating=CALIBRATING,
            calibrated_on=words.of_card(self),
            operating_point=self.operating_point,
            figures={**verifier.parts.figures, "own voices": figures},
        )
        return Verifier(parts)

    def plain(self) -> dict[str, Any]:
        """Return it as data for JSON, the calibration as its facts."""
        facts = self.calibration.facts() if self.calibration else None
        return asdict(replace(self, calibration=None)) | {"calibration": facts}

    def __str__(self) -> str:
        return "\n".join(words.lines(self))


def calibrate(
    verifier: Verifier, voices: Mapping[str, Sequence[OwnRecording]], *, operating_point: OperatingPoint | None = None
) -> OwnVoices:
    """Calibrate a verifier on recordings of people whom it is for.

    All recordings are compared with each other, those of one person across sessions where there are several. What is
    stated of decisions is of such as are made by a calibration on other people: see
    `avis.verifier.own_voices.crossing.cross_validated`. Intervals are over people.

    Parameters
    ----------
    verifier : Verifier
    voices : mapping of str to sequence of OwnRecording
        By person, in any order.
    operating_point : OperatingPoint, optional
        The verifier's own if None.

    Raises
    ------
    ValueError
        If there are fewer than two people or nobody has two recordings, or see
        `avis.verifier.own_voices.trials.sort_out`.
    """
    point = operating_point or verifier.parts.operating_point
    kept = sort_out(verifier, voices)
    pairs, notes = pair(kept)
    scored = score_forms(verifier, kept, pairs)
    calibration, decided, refusal = _decided(scored, kept, point)
    errors = {
        seconds: errors_of(trials, decided.get(seconds), point.threshold) for seconds, trials in scored.judged.items()
    }
    whole, each = errors.pop(WHOLE), np.bincount(kept.person)
    return OwnVoices(
        num_people=len(kept.people),
        recordings_each=(int(each.min()), int(each.max())),
        notes=(*kept.notes, *notes),
        operating_point=point,
        threshold=point.threshold,
        speech_s=scored.speech_s,
        score=_score(calibration, point.threshold, scored.speech_s) if calibration and refusal is None else None,
        refusal=refusal,
        least_false_accepts=most_without_error(math.comb(len(kept.people), 2)),
        whole=whole,
        by_seconds=errors,
        enough_s=enough_seconds(whole, errors) if decided else None,
        confusable=confusable_people(scored.judged[WHOLE], decided[WHOLE], point.threshold, kept.people)
        if decided
        else (),
        calibration=calibration,
    )


def _decided(
    scored: ScoredForms, kept: Kept, point: OperatingPoint
) -> tuple[Calibration | None, dict[float, Decided], str | None]:
    """Return the calibration on all people, decisions about each by those on others, and why there are none."""
    people = f"{len(kept.people)} people"
    if len(kept.people) < LEAST_PEOPLE:
        return None, {}, f"{people} are too few to judge some by a calibration on others, which takes {LEAST_PEOPLE}."
    try:
        calibration = fitted(scored.to_fit)
        decided = cross_validated(scored.to_fit, list(scored.judged.values()), len(kept.people))
    except ScoresDoNotRise:
        return None, {}, "the scores tell these people, or some of them, apart no better than chance."
    except ValueError:
        return None, {}, f"too few of {people} have two recordings to judge some by a calibration on others."
    facts = calibration.facts()
    if not facts["lower"] < point.threshold < facts["upper"]:
        return calibration, {}, words.out_of_reach(point.threshold, facts, len(kept.people))
    return calibration, dict(zip(scored.judged, decided, strict=True)), None


def _score(calibration: Calibration, threshold: float, speech_s: float) -> float:
    """Return the score from which two recordings of so much speech are accepted."""
    measures = log_duration(np.full((2, 1), speech_s))
    features = np.repeat(quality_features(measures[:1], measures[1:]), 2, axis=0)
    at_0, at_1 = calibration.uncapped_llr(np.array([0.0, 1.0]), features).tolist()
    return float((threshold - at_0) / (at_1 - at_0))
