"""A trained model in use: recordings in, embeddings and decisions out."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.run_folder import VERIFIER
from avis.scoring.cosine import Cosine
from avis.verifier.comparison import Comparison
from avis.verifier.embedder import Embedder, Source, Voiceprint
from avis.verifier.folder import CONFIG, EVEN, WEIGHTS, Parts, hearing_of, read_folder
from avis.verifier.outside import outside
from avis.verifier.verdict import Outcome, Verdict

PLAIN_COSINE = {"_target_": "avis.scoring.cosine.Cosine", "center": False}

UNDECIDED = "Nothing can be decided"
"""How a warning begins that is of the threshold alone."""

CLIPPED, NOISY_DB, NARROW_SHARE = 0.01, 10.0, 0.6
"""Of the samples; speech-to-noise ratio; of half the sample rate: from which on a recording is warned of."""


class Verifier(Embedder):
    """A model with all that it needs to decide; `load` makes one.

    Parameters
    ----------
    parts : Parts
    path : str
        Where it lies; empty where it was made here.
    """

    def __init__(self, parts: Parts, *, path: str = "") -> None:
        super().__init__(parts.checkpoint, parts.hearing, max_window_s=parts.max_window_s)
        self.parts, self.path = parts, path
        self.backend, self.calibration = parts.backend, parts.calibration
        self.voices, self.attributes = parts.voices, parts.attributes
        self.comparison = Comparison(
            parts.backend, parts.calibration, {"scoring": parts.scoring, "calibration": parts.calibrating}
        )
        self.threshold = parts.operating_point.threshold
        facts = self.calibration.facts() if self.calibration else {"lower": 0.0, "upper": 0.0}
        self.bounds: tuple[float, float] = (facts["lower"], facts["upper"])
        self.decides = self.bounds[0] < self.threshold < self.bounds[1]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Verifier":
        """Load the verifier of a run or of an exported folder, or a checkpoint alone.

        No code of it is run, only AVIS's own components are built, and nothing is downloaded but what a
        self-supervised front end names on a hub, as its training did. A checkpoint alone is scored by the cosine,
        without calibration: then every verdict is ``unsure``.

        Parameters
        ----------
        path : str or os.PathLike
            Local path or URI of a run, a verifier's folder, or a checkpoint.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        uri = location.absolute(os.fspath(path))
        for folder in (uri, location.join(uri, VERIFIER)):
            if location.exists(location.join(folder, WEIGHTS)):
                return cls(read_folder(folder), path=folder)
        if not uri.endswith(".ckpt"):
            raise ValueError(
                f"no model: got neither {WEIGHTS} nor {VERIFIER}/{WEIGHTS}, expected the folder of a run that was "
                f"scored, of a verifier, or a checkpoint. At {uri}. Give one of them."
            )
        checkpoint = Checkpoint.open(uri)
        beside = location.join(location.parent(location.parent(uri)), VERIFIER)
        if location.exists(location.join(beside, CONFIG)):
            parts = read_folder(beside)
            if parts.checkpoint.digest == checkpoint.digest:
                return cls(parts, path=beside)
        return cls(
            Parts(
                checkpoint=checkpoint,
                hearing=hearing_of(checkpoint.recipe["sharding"]),
                scoring=PLAIN_COSINE,
                backend=Cosine(center=False),
                calibrating=None,
                calibration=None,
                operating_point=EVEN,
                max_window_s=float(checkpoint.recipe.get("max_window_s") or 60.0),
                trained_on=str(checkpoint.lineage),
                figures={},
            ),
            path=uri,
        )

    def score(self, enroll: NDArray[np.floating], test: NDArray[np.floating]) -> NDArray[np.float32]:
        """Score every row of embeddings ``[enroll, dim]`` against every row of ``[test, dim]``: ``[enroll, test]``."""
        return self.backend.score_matrix(*(self.backend.transform(np.asarray(each)) for each in (enroll, test)))

    def verify(self, enroll: Source | Voiceprint, test: Source | Voiceprint) -> Verdict:
        """Compare two recordings; see `Verdict` and `embed`."""
        sides = self.embed(enroll), self.embed(test)
        told: dict[str, Any] = {
            "threshold": self.threshold,
            "speech_s": (sides[0].speech_s, sides[1].speech_s),
            "quality": (sides[0].quality, sides[1].quality),
        }
        told |= dict.fromkeys(("llr", "llr_interval", "llr_bounds", "score"))
        embeddings = [side.embedding for side in sides if side.embedding is not None]
        if len(embeddings) < 2:
            return Verdict(**told, outcome="not_heard", warnings=tuple(self._warnings(sides)))
        one, other = (
            self.comparison.sides(embedding[None], np.array([side.speech_s]))
            for side, embedding in zip(sides, embeddings, strict=True)
        )
        score = self.comparison.scores(one, other)
        told |= {"score": float(score[0])}
        outcome: Outcome = "unsure"
        warnings = [*self._warnings(sides)]
        if self.calibration is not None:
            features = self.comparison.features(one, other)
            interval = self.calibration.interval(score, features)
            told |= {"llr": float(self.calibration.llr(score, features)[0]), "llr_bounds": self.bounds}
            told |= {"llr_interval": tuple(float(self.calibration.cap(each)[0]) for each in interval)}
            if self.decides:
                lower, upper = (float(each[0]) for each in interval)
                outcome = "match" if lower >= self.threshold else "no_match" if upper < self.threshold else "unsure"
            if outcome == "unsure":
                warnings += outside(self.calibration, features)
        return Verdict(**told, outcome=outcome, warnings=tuple(warnings))

    def _warnings(self, sides: tuple[Voiceprint, Voiceprint]) -> Iterator[str]:
        if sides[0].sha256 and sides[0].sha256 == sides[1].sha256:
            yield "Both are the same recording."
        for name, side in zip(("first", "second"), sides, strict=True):
            yield from (f"The {name} recording{fault}" for fault in self.faults(side))
        yield from self.cautions(self.threshold)

    def cautions(self, threshold: float | None) -> Iterator[str]:
        """Say why nothing can be decided at a threshold of log-likelihood ratios, where that is so."""
        lower, upper = self.bounds
        if self.calibration is None:
            yield "Nothing was calibrated: the score has no meaning of its own."
        elif threshold is not None and not lower < threshold < upper:
            yield (
                f"{UNDECIDED} at a threshold of {threshold:.2f}: the calibration bears out no "
                f"log-likelihood ratios beyond {lower:.2f} and {upper:.2f}. Calibrate on more speakers."
            )

    def faults(self, heard: Voiceprint) -> Iterator[str]:
        """Say what speaks against a recording, each as what follows its name."""
        quality = heard.quality
        if heard.unheard:
            yield f": {heard.unheard}"
        if (clipped := quality.get("clip_ratio")) is not None and clipped > CLIPPED:
            yield f" is clipped: {clipped:.1%} of it is at full scale."
        if (snr_db := quality.get("snr_db")) is not None and snr_db < NOISY_DB:
            yield f" is noisy: the speech is {snr_db:.0f} dB above the noise."
        band = quality.get("bandwidth_hz")
        if band is not None and band < NARROW_SHARE * self.hearing.sample_rate / 2:
            yield f" holds nothing above {band:.0f} Hz, as a telephone's."
