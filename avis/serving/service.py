"""What the endpoints do: recordings to replicas, and what comes of them."""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from ray import serve
from ray.exceptions import RayError
from ray.serve.schema import DeploymentStatus, ReplicaState

from avis.audio.audio_error import AudioError
from avis.names import name as compared
from avis.serving.audit import Audit
from avis.serving.calls import call
from avis.serving.measures import Measures
from avis.serving.refusal import RefusedError
from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.settings import Limits
from avis.serving.tokens import Caller
from avis.serving.uploads import Trial, Voices
from avis.verifier import Enrolment, Gallery, Identification, Verdict, Voiceprint
from avis.verifier.embedder import Source
from avis.verifier.gallery.people import is_kept, matrix, today
from avis.verifier.gallery.register import NobodyError

READY_WITHIN_S = 2.0
ONCE = 1
"""Changes are not made again where it is not known whether they were."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the endpoints do.

    Attributes
    ----------
    verifier : RemoteVerifier
    gallery : Gallery
        Read here, and changed by its writer.
    decoders, models, explainers, writer
        Handles of the deployments; see `avis.serving.application.application`.
    audit : Audit
        Of decisions; changes are written down where they are made.
    measures : Measures
    limits : Limits
    """

    verifier: RemoteVerifier
    gallery: Gallery
    decoders: Any
    models: Any
    explainers: Any
    writer: Any
    audit: Audit
    measures: Measures
    limits: Limits

    async def voiceprint(self, data: bytes) -> Voiceprint:
        """Embed a file."""
        try:
            heard = self.verifier.heard(await self._call(self.decoders.heard, data))
        except AudioError as error:
            return self.verifier.unheard(error)
        if isinstance(heard, Voiceprint):
            return heard
        return self.verifier.voiceprint(heard, await self._call(self.models.embedding, heard.values))

    async def source(self, data: bytes) -> Source | Voiceprint:
        """Decode a file to samples, or to the voiceprint without embedding where nobody speaks."""
        try:
            samples: Source = await self._call(self.decoders.decoded, data)
        except AudioError as error:
            return self.verifier.unheard(error)
        return samples

    async def verify(self, caller: Caller, a: bytes, b: bytes) -> Verdict:
        """Compare two files."""
        sides = await asyncio.gather(self.voiceprint(a), self.voiceprint(b))
        verdict = self.verifier.verify(*sides)
        self.decided(caller, "verify", verdict.outcome)
        return verdict

    async def identify(self, caller: Caller, audio: bytes, most: int) -> Identification:
        """Say who of those enrolled speaks in a file."""
        voiceprint = await self.voiceprint(audio)
        found = await asyncio.to_thread(self.gallery.identify, voiceprint, most=most)
        self.decided(caller, "identify", found.outcome, speaker=found.speaker)
        return found

    async def explain(self, caller: Caller, asked: Trial, *, page: bool) -> str:
        """Say why a verdict comes out as it does: the record as JSON, or a page."""
        *enroll, test = await asyncio.gather(*map(self.source, (*asked.a, asked.b)))
        if asked.speaker is not None:
            enroll = [await self.enrolled(asked.speaker)]
        told = {"prior": asked.prior, "checks": not asked.quick, "page": asked.preset if page else None}
        outcome, made = await self.reasons(enroll, test, **told)
        self.decided(caller, "explain", outcome, speaker=asked.speaker and compared(asked.speaker))
        return made

    async def reasons(
        self, enroll: list[Source | Voiceprint], test: Source | Voiceprint, **told: Any
    ) -> tuple[str, str]:
        """Return the outcome and the record or page; see `avis.serving.explainers.Explainers.explain`.

        Raises
        ------
        RefusedError
            If the recordings are too long for it.
        """
        given_s = sum(len(each[0]) / each[1] for each in (*enroll, test) if isinstance(each, tuple))
        if given_s > self.limits.explained_s:
            raise RefusedError(
                413,
                f"recordings too long to be explained: got {given_s:.0f} s, expected at most "
                f"{self.limits.explained_s:g} s of all together. At the recordings. Send parts of them.",
            )
        outcome, made = await self._call(self.explainers.explain, enroll, test, **told)
        return outcome, made

    async def enroll(self, caller: Caller, speaker: str, asked: Voices) -> Enrolment:
        """Enrol somebody.

        Raises
        ------
        RefusedError
            If a file cannot be used, or none is taken.
        """
        _check_reachable(speaker)
        decoded = await asyncio.gather(
            *(self._call(self.decoders.decoded, each) for each in asked.audio), return_exceptions=True
        )
        for number, each in enumerate(decoded, 1):
            if isinstance(each, AudioError):
                raise AudioError(each.reason, f"{each.detail} It is recording {number}.")
            if isinstance(each, BaseException):
                raise each

        made: Enrolment = await self._call(
            self.writer.enroll,
            speaker,
            decoded,
            consent=asked.consent,
            keep_until=asked.keep_until,
            all_of_them=asked.all,
            who=caller.name,
            tries=ONCE,
        )
        if not made.taken:
            why = "; ".join(f"{recording}: {each}" for recording, each in made.refused.items())
            raise RefusedError(
                422,
                f"nothing enrolled: got {why}, expected recordings that spoil no later answer. At {made.speaker}. "
                "Record anew.",
                beside=made.plain(),
            )
        return made

    async def rename(self, caller: Caller, speaker: str, to: str) -> None:
        """Give somebody another name."""
        _check_reachable(to)
        await self._call(self.writer.rename, speaker, to, who=caller.name, tries=ONCE)

    async def remove(self, caller: Caller, speaker: str) -> int:
        """Remove somebody, and return how many recordings of them there were."""
        return int(await self._call(self.writer.remove, speaker, who=caller.name, tries=ONCE))

    async def enrolled(self, speaker: str) -> Voiceprint:
        """Return what the recordings of somebody come to, as they are compared."""
        rows = await asyncio.to_thread(self.gallery.files.read_of, compared(speaker))
        kept = rows.filter(is_kept(rows, today()))
        if not len(kept):
            raise NobodyError(
                f"nobody of that name: got {speaker!r}, expected somebody who is enrolled. At the speakers. See who is "
                "at /v1/speakers."
            )
        return self.verifier.voiceprint_of(matrix(kept["embedding"]), float(np.mean(kept["speech_s"].to_numpy())))

    def is_enrolled(self, speaker: str) -> bool:
        """Return whether somebody of that name is, by the gallery as it is now."""
        people = self.gallery.files.snapshot().people.values()
        return any(pc.index(each.names, compared(speaker)).as_py() >= 0 for each in people)

    async def _call(self, method: Any, *given: Any, **named: Any) -> Any:
        return await call(method, *given, model=self.verifier.digest, **named)

    def decided(self, caller: Caller, action: Any, outcome: str, *, speaker: str | None = None) -> None:
        """Count a decision, and write it down."""
        self.measures.decided(action, outcome)
        self.audit.write(caller.name, action, outcome, speaker=speaker)

    def calibration(self) -> dict[str, Any]:
        """Return what decides: model, threshold, and what that was calibrated on."""
        parts = self.verifier.parts
        return {
            "model": self.verifier.digest,
            "sample_rate": parts.hearing.sample_rate,
            "threshold": self.verifier.threshold,
            "operating_point": dataclasses.asdict(parts.operating_point),
            "decides": self.verifier.decides,
            "calibration": parts.calibration.facts() if parts.calibration else None,
            "trained_on": parts.trained_on,
            "calibrated_on": parts.calibrated_on,
            "figures": dict(parts.figures),
        }

    async def check_ready(self) -> None:
        """Ask Ray Serve whether all kinds of replicas are well; they themselves may be busy.

        Raises
        ------
        RefusedError
            If one is not, or nobody answers.
        """
        try:
            status = await asyncio.wait_for(asyncio.to_thread(serve.status), READY_WITHIN_S)
        except (asyncio.TimeoutError, RayError) as error:
            raise _not_ready("the controller") from error
        for application in status.applications.values():
            for name, deployment in application.deployments.items():
                num = deployment.replica_states.get(ReplicaState.RUNNING, 0)
                if deployment.status == DeploymentStatus.UNHEALTHY or not num:
                    raise _not_ready(name)


def _not_ready(name: str) -> RefusedError:
    return RefusedError(
        503, f"not ready: got {name} that is not well, expected all. At the service. Wait.", retry_after_s=1.0
    )


def _check_reachable(speaker: str) -> None:
    """Refuse a name that is part of no address."""
    if compared(speaker) in (".", ".."):
        raise RefusedError(
            422, f"no name: got {speaker!r}, which no address can end with, expected another. At the name. Choose one."
        )
