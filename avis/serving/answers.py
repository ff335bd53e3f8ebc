"""What the endpoints answer, for their description in OpenAPI; they are the objects of ``avis ... --json``."""

import datetime
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from avis.verifier import Voiceprint


class Error(BaseModel):
    """Why there is no other answer."""

    error: str


class Embedding(BaseModel):
    """See `avis.verifier.Voiceprint`."""

    embedding: list[float] | None
    speech_s: float
    quality: dict[str, float | None]
    unheard: str | None
    model: str
    sha256: str

    @staticmethod
    def of(voiceprint: Voiceprint) -> dict[str, Any]:
        """Return what there is to say of a voiceprint."""
        embedding = None if voiceprint.embedding is None else voiceprint.embedding.tolist()
        return asdict(voiceprint) | {"embedding": embedding}


class Enrolled(BaseModel):
    """A recording of somebody; see `avis.schema.enrolled_schema`."""

    speaker: str
    recording: str
    sha256: str
    enrolled_at: datetime.datetime
    consent: str | None
    keep_until: datetime.date | None
    speech_s: float
    snr_db: float | None
    clip_ratio: float | None
    bandwidth_hz: float | None


class Speakers(BaseModel):
    """All who are enrolled, recording by recording."""

    recordings: list[Enrolled]


class Renamed(BaseModel):
    """Who has another name now."""

    speaker: str


class Removed(BaseModel):
    """Who is enrolled no longer, and how many recordings of them there were."""

    speaker: str
    num_recordings: int


class Calibrated(BaseModel):
    """What decides: see `avis.verifier.folder.Parts`."""

    model: str
    sample_rate: int
    threshold: float
    operating_point: dict[str, float]
    decides: bool
    calibration: dict[str, float | None] | None
    trained_on: str
    calibrated_on: str
    figures: dict[str, Any]
