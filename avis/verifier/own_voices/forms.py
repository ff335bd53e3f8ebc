"""Score pairs of own recordings, whole and cut short."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.scoring.calibration import quality_features, quality_measures
from avis.verifier.folder import CALIBRATING
from avis.verifier.own_voices.trials import Kept, Pairs
from avis.verifier.verifier import Verifier, Voiceprint

WHOLE = float("inf")
"""Seconds of a recording that is not cut."""

PAIRS_AT_ONCE = 1 << 16


class Scored(NamedTuple):
    """Scored trials, as `avis.scoring.calibration.Calibration.fit` takes them."""

    scores: NDArray[np.floating]
    features: NDArray[np.floating]
    target: NDArray[np.bool_]
    speakers: NDArray[np.int64]

    def take(self, rows: NDArray) -> "Scored":
        """Return the chosen trials alone."""
        return Scored(*(part[rows] for part in self))


class ScoredForms(NamedTuple):
    """Trials of own recordings.

    Attributes
    ----------
    to_fit : Scored
        Pairs of whole recordings and, where there are cuts, each with one of the other's, and both cut.
    judged : dict of float to Scored
        By seconds of speech, `WHOLE` first: pairs of recordings of one length, where there are both kinds of trial.
    speech_s : float
        Median seconds of speech of whole recordings.
    """

    to_fit: Scored
    judged: dict[float, Scored]
    speech_s: float


def score_forms(verifier: Verifier, kept: Kept, pairs: Pairs) -> ScoredForms:
    """Score pairs of recordings, whole and cut."""
    recordings = kept.recordings
    whole = _Form(verifier, [each.voiceprint for each in recordings])
    cuts = [
        {seconds: cut for seconds, cut in sorted(each.cuts.items()) if cut.embedding is not None} for each in recordings
    ]
    judged = {WHOLE: whole.scored(pairs)}
    for seconds in sorted({seconds for each in cuts for seconds in each}):
        form = _Form(verifier, [each.get(seconds) for each in cuts])
        some = pairs.take(form.has[pairs.enroll] & form.has[pairs.test])
        if 0 < np.count_nonzero(some.target) < len(some.target):
            judged[seconds] = form.scored(some)
    to_fit = judged[WHOLE]
    if any(cuts):
        drawn = [list(each.values())[row % len(each)] if each else None for row, each in enumerate(cuts)]
        mixed = _Form(verifier, [cut or each.voiceprint for cut, each in zip(drawn, recordings, strict=True)])
        forms = ((whole, whole), (whole, mixed), (mixed, whole), (mixed, mixed))
        parts = [enroll.scored(pairs, test) for enroll, test in forms]
        to_fit = Scored(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return ScoredForms(to_fit, judged, float(np.median(whole.speech_s)))


class _Form:
    """Recordings of one length; ``has`` tells which carry it."""

    def __init__(self, verifier: Verifier, voiceprints: Sequence[Voiceprint | None]) -> None:
        there = [verifier.embed(each) for each in voiceprints if each is not None]
        self.backend, self.has = verifier.backend, np.array([each is not None for each in voiceprints])
        self.row = np.cumsum(self.has) - 1
        self.speech_s = np.array([each.speech_s for each in there])
        embeddings = np.stack([each.embedding for each in there if each.embedding is not None])
        self.vectors = self.backend.transform(embeddings)
        self.measures = quality_measures(
            CALIBRATING["measures"],
            self.backend,
            embeddings=embeddings,
            vectors=self.vectors,
            speech_s=self.speech_s,
        )

    def scored(self, pairs: Pairs, tested: "_Form | None" = None) -> Scored:
        """Score pairs of which the second is of another form, if one is given."""
        tested = tested or self
        enroll, test = self.row[pairs.enroll], tested.row[pairs.test]
        pieces = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(enroll), PAIRS_AT_ONCE)]
        scores = [self.backend.score(self.vectors[enroll[some]], tested.vectors[test[some]]) for some in pieces]
        features = quality_features(self.measures[enroll], tested.measures[test])
        return Scored(np.concatenate(scores), features, pairs.target, pairs.speakers)
