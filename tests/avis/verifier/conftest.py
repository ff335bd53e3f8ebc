"""A verifier that is calibrated well enough to be sure, and voices that it can tell apart."""

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from avis.scoring.calibration import Calibration, log_duration, quality_features
from avis.verifier import Verifier, Voiceprint


def calibrated_on_many() -> Calibration:
    """Calibrate on 300 speakers who score some 0.75 with themselves, more with more speech, and 0 with others."""
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 300, 6000) for _ in range(2))
    speakers = np.column_stack([one, np.where(rng.random(6000) < 0.5, one, other)])
    target = speakers[:, 0] == speakers[:, 1]
    features = quality_features(*log_duration(rng.uniform(1, 6, (2, 6000, 1))))
    scores = np.where(target, 0.75, 0.0) + 0.1 * (features[:, 0] - 1.0) + 0.12 * rng.normal(size=len(target))
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=["duration"])
    calibration.fit(scores, features, target, speakers)
    return calibration


@pytest.fixture(scope="session")
def sure(parts) -> Verifier:
    return Verifier(dataclasses.replace(parts, calibration=calibrated_on_many()), path="models/sure")


@pytest.fixture
def voice(sure) -> Callable[..., Voiceprint]:
    """Return what makes a recording of one of 16 people: of one person two score some 0.8, of different people 0."""

    def made(person: int, take: int = 0, speech_s: float = 5.0) -> Voiceprint:
        directions = np.linalg.qr(np.random.default_rng(0).normal(size=(sure.dim, sure.dim)))[0]
        noise = np.random.default_rng([person, take]).normal(size=sure.dim)
        embedding = directions[:, person] + 0.5 * noise / np.linalg.norm(noise)
        return Voiceprint(
            embedding=embedding.astype(np.float32),
            speech_s=speech_s,
            quality={"snr_db": 30.0, "clip_ratio": 0.0},
            unheard=None,
            model=sure.digest,
            sha256=hashlib.sha256(f"{person} {take}".encode()).hexdigest(),
        )

    return made
