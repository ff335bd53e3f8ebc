"""What changes if the recordings do: every black-box check of a trial."""

from typing import Any

from avis.explain.bands import bands
from avis.explain.counterfactuals import counterfactuals
from avis.explain.gradients import Directions, integrated_gradients
from avis.explain.judge import Judge
from avis.explain.record import Segment
from avis.explain.removal import removal
from avis.explain.shapley import shapley
from avis.explain.side import Side
from avis.verifier.verifier import Verifier


def try_changes(
    verifier: Verifier,
    judge: Judge,
    sides: tuple[Side, Side],
    *,
    directions: Directions,
    segments: list[Segment],
) -> dict[str, Any]:
    """Try all checks on both sides, and return what `avis.explain.record.Explanation` has of them.

    Parameters
    ----------
    verifier : Verifier
    judge : Judge
    sides : (Side, Side)
        A side that is no recording has no checks.
    directions : (float64 [dim], float64 [dim])
        See `avis.explain.shares.directions`.
    segments : list of Segment
        Of the explanation, in order, to be told more of.
    """
    gradients = integrated_gradients(verifier, sides, directions)
    gaps = [each.gap for each in gradients if each is not None and each.gap is not None]
    of_test = gradients[1]
    found = [
        {"removed": removed, "shapley": float(value), "gradient": float(slope)}
        for falls, values, slopes in zip(
            removal(verifier, judge, sides), shapley(verifier, judge, sides), gradients, strict=True
        )
        if slopes is not None
        for of_recording in zip(falls, values, slopes.segments, strict=True)
        for removed, value, slope in zip(of_recording[0], of_recording[1].segments, of_recording[2], strict=True)
    ]
    return {
        "segments": [each.model_copy(update=more) for each, more in zip(segments, found, strict=True)],
        "completeness_gap": max(gaps, default=None),
        "baseline": None if of_test is None else float(judge.evidence("test", of_test.start[None])[0]),
        "bands": bands(verifier, judge, sides),
        "counterfactuals": counterfactuals(verifier, sides),
    }
