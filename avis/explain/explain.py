"""Explain a trial: why a verdict came out as it did, from what moved the score to how far to trust it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis.explain.acoustics import attributes
from avis.explain.caption.folder import read_captioner
from avis.explain.cohort import cohort
from avis.explain.faithfulness.trial import orders_of_trial
from avis.explain.guesses import guesses
from avis.explain.heard import Heard
from avis.explain.judge import Judge
from avis.explain.record import Explanation, Frames, Matrix, Segment, SideName
from avis.explain.record import Side as SideRecord
from avis.explain.scale import ENFSI_2015, Scale, words
from avis.explain.shares import Shares, Taken, directions, pairs, shares, take_apart
from avis.explain.side import Given, Side, side_of
from avis.explain.tried import try_changes
from avis.explain.waterfall import Conversion, conversion_of, waterfall
from avis.explain.windows import windows_matrix
from avis.verifier.side_by_side import side_by_side
from avis.verifier.verifier import Verifier

MOST_STEPS = 600
"""Of the shares along a recording: as many as a picture shows."""


def explain(
    verifier: Verifier,
    enroll: Given | Sequence[Given],
    test: Given,
    *,
    prior: float | None = None,
    scale: Scale = ENFSI_2015,
    checks: bool = True,
    caption: bool = False,
) -> Explanation:
    """Explain what a verifier makes of two recordings.

    Parameters
    ----------
    verifier : Verifier
    enroll, test : Given, or list of Given
        Recordings as `avis.verifier.verifier.Verifier.embed` takes them; of a person enrolled with several, all of
        them. In place of a recording its voiceprint may be given, of which nothing is told apart.
    prior : float or None
        How probable it was before that one person spoke both, if a probability is to be stated.
    scale : Scale
        Words for ratios.
    checks : bool
        Whether to try, besides the exact routes, what changes if the recordings do, and to tell what can be heard and
        which other voices are alike: several times the work.
    caption : bool
        Whether to tell, too, what the verifier's captioner says, which had no part in any of it; see
        `avis.explain.caption`. Without checks little of what it says is held against the record.

    Raises
    ------
    ValueError
        If a recording cannot be read, the prior is none, or the verifier has no captioner that is asked for; a
        recording in which nobody speaks is an answer.
    """
    captioner = read_captioner(verifier) if caption else None
    given: list[tuple[SideName, Given | Sequence[Given]]] = [("enroll", enroll), ("test", test)]
    one, other = side_by_side(lambda each: side_of(verifier, *each), given)
    sides = one, other
    verdict = verifier.verify(sides[0].voiceprint, sides[1].voiceprint)
    verdict.probability(0.5 if prior is None else prior)
    told: dict[str, Any] = {
        key: getattr(verdict, key) for key in ("outcome", "threshold", "llr", "llr_interval", "llr_bounds")
    }
    told |= {"model": verifier.digest, "prior": prior, "unit": "llr" if verifier.calibration else "score"}
    told |= {"sides": list(_side_records(sides)), "warnings": [*verdict.warnings, *_of_several(verifier, sides)]}
    if verdict.score is None:
        return Explanation(**told)
    judge = Judge(
        comparison=verifier.comparison,
        embeddings=(sides[0].embedding, sides[1].embedding),
        speech_s=verdict.speech_s,
    )
    usual = verifier.voices.usual if verifier.voices else None
    conversion, taken = conversion_of(judge), take_apart(verifier.backend, sides, usual)
    told |= _exact(verifier, sides, taken, conversion, llr=verdict.llr, scale=scale)
    told["guesses"] = guesses(verifier.attributes or (), sides)
    if checks:
        towards = directions(verifier.backend, taken, factor=conversion.factor)
        told |= try_changes(verifier, judge, sides, directions=towards, segments=told["segments"])
        told["windows"] = windows_matrix(verifier, verifier.backend, sides, usual, factor=conversion.factor)
        told["orders"] = orders_of_trial(
            verifier,
            judge,
            sides[1],
            segments=told["segments"],
            windows=told["windows"],
            threshold=verdict.threshold,
        )
        told["acoustics"] = attributes(verifier.voices.acoustics if verifier.voices else None, sides)
        told["cohort"] = cohort(judge, verifier.voices) if verifier.voices else None
    if captioner:
        pair = np.stack([side.embedding for side in sides]).astype(np.float32)
        told["caption"] = captioner.caption(pair, Explanation(**told))
    return Explanation(**told)


def _exact(
    verifier: Verifier,
    sides: tuple[Side, Side],
    taken: tuple[Taken, Taken],
    conversion: Conversion,
    *,
    llr: float | None,
    scale: Scale,
) -> dict[str, Any]:
    """Return what adds up, without trying anything."""
    parts = shares(verifier.backend, sides, taken)
    told: dict[str, Any] = {
        "score": conversion.score,
        "segments": list(_segments(sides, parts, conversion.factor)),
        "frames": list(_frames(sides, parts, conversion.factor)),
    }
    if all(side.divisible for side in sides):
        told["evidence"] = _evidence(sides, conversion, pairs(verifier.backend, sides, taken))
    if verifier.backend.normalized:
        told["score_norm"] = conversion.score_norm
    if verifier.calibration is not None and llr is not None:
        told |= {"waterfall": waterfall(sides, parts, conversion, llr=llr), "verbal": words(llr, scale)}
        told |= {"num_calibration_speakers": verifier.calibration.facts()["num_speakers"]}
        told |= {"calibration": verifier.calibration.quantiles.tolist()}
    return told


def _of_several(verifier: Verifier, sides: tuple[Side, Side]) -> Iterator[str]:
    """Say what speaks against recordings that a verdict does not know one by one."""
    for side in sides:
        for number, each in enumerate(side.given if len(side.given) > 1 else ()):
            faults = verifier.faults(each.voiceprint if isinstance(each, Heard) else each)
            yield from (f"Recording {number + 1} of the {side.spoken}{fault}" for fault in faults)


def _side_records(sides: tuple[Side, Side]) -> Iterator[SideRecord]:
    for side in sides:
        for number, (each, name) in enumerate(zip(side.given, side.names, strict=True)):
            voiceprint = each.voiceprint if isinstance(each, Heard) else each
            yield SideRecord(
                side=side.name,
                recording=number,
                name=name,
                sha256=voiceprint.sha256,
                duration_s=len(each.values) / each.sample_rate if isinstance(each, Heard) else 0.0,
                speech_s=voiceprint.speech_s,
                quality=voiceprint.quality,
            )


def _segments(sides: tuple[Side, Side], parts: Shares, factor: float) -> Iterator[Segment]:
    for side, of_recordings in zip(sides, parts.segments, strict=True):
        for place, (number, heard) in enumerate(zip(side.numbers, side.heard, strict=True)):
            spans = heard.spans_s(heard.edges)
            own = (factor * of_recordings[place]).tolist() if of_recordings else [None] * len(spans)
            for (start_s, end_s), llr in zip(spans, own, strict=True):
                yield Segment(side=side.name, recording=number, start_s=start_s, end_s=end_s, llr=llr)


def _frames(sides: tuple[Side, Side], parts: Shares, factor: float) -> Iterator[Frames]:
    for side, of_recordings in zip(sides, parts.frames, strict=True):
        for number, heard, of_frames in zip(side.numbers, side.heard, of_recordings, strict=False):
            num = len(of_frames)
            steps = np.unique(np.linspace(0, num, min(num, MOST_STEPS) + 1).round().astype(np.int64))
            edges = heard.frame_edges[steps]
            start_s = np.append(heard.given_s(edges[:-1]), heard.given_s(edges[-1:], end=True))
            llr = factor * np.add.reduceat(of_frames, steps[:-1])
            yield Frames(side=side.name, recording=number, start_s=start_s.tolist(), llr=llr.tolist())


def _evidence(sides: tuple[Side, Side], conversion: Conversion, values: NDArray[np.float64]) -> Matrix:
    spans = [[span for each in side.heard for span in each.spans_s(each.edges)] for side in sides]
    recordings = [
        [number for number, each in zip(side.numbers, side.heard, strict=True) for _ in each.edges[1:]]
        for side in sides
    ]
    total = conversion.factor * conversion.score
    return Matrix(
        enroll=spans[0],
        test=spans[1],
        enroll_recording=recordings[0],
        test_recording=recordings[1],
        values=(conversion.factor * values).tolist(),
        total=total,
        rest=total - float(conversion.factor * values.sum()),
    )
