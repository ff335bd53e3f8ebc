"""Why it is this person of a gallery and not the second."""

from avis.explain.explain import explain
from avis.explain.record import Bar, Explanation, Record
from avis.explain.scale import ENFSI_2015, Scale
from avis.verifier.embedder import Source
from avis.verifier.gallery.gallery import Gallery


class Candidate(Record):
    """Somebody enrolled, and why they may be the one that speaks."""

    speaker: str
    explanation: Explanation


class IdentificationExplanation(Record):
    """Why somebody of a gallery was named, or nobody.

    Attributes
    ----------
    outcome : str
        As in `avis.verifier.gallery.identification.Identification`.
    margin : float or None
        By how much the first's log-likelihood ratio exceeds the second's.
    candidates : list of Candidate
        The first and, if there is one, the second.
    difference : list of Bar
        What speaks for the first rather than the second; adds up to ``margin``. Stretches of the recording are
        compared with each other; what is of one person alone bears the person's name.
    """

    outcome: str
    margin: float | None
    candidates: list[Candidate]
    difference: list[Bar]


def explain_identification(
    gallery: Gallery, recording: Source, *, scale: Scale = ENFSI_2015, checks: bool = False
) -> IdentificationExplanation:
    """Explain whom a gallery names for a recording, from the recordings that it keeps or their voiceprints alone.

    Raises
    ------
    ValueError
        As `avis.verifier.gallery.gallery.Gallery.identify` does.
    """
    found = gallery.identify(recording, most=2)
    candidates = [
        Candidate(
            speaker=each.speaker,
            explanation=explain(
                gallery.verifier, gallery.recordings_of(each.speaker), recording, scale=scale, checks=checks
            ),
        )
        for each in found.candidates
    ]
    return IdentificationExplanation(
        outcome=found.outcome,
        margin=found.margin,
        candidates=candidates,
        difference=_difference(*candidates) if found.margin is not None else [],
    )


def _difference(first: Candidate, second: Candidate) -> list[Bar]:
    of_second = {bar.part: bar for bar in second.explanation.waterfall}
    bars = []
    for bar in first.explanation.waterfall:
        other = None if bar.part.startswith("enrolment") else of_second.pop(bar.part, None)
        if other is not None:
            bars.append(Bar(part=bar.part, kind=bar.kind, llr=bar.llr - other.llr))
        else:
            bars.append(Bar(part=f"{first.speaker}: {bar.part}", kind=bar.kind, llr=bar.llr))
    return bars + [Bar(part=f"{second.speaker}: {bar.part}", kind=bar.kind, llr=-bar.llr) for bar in of_second.values()]
