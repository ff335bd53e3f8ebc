"""A stream against a voice: chunks of audio in, running verdicts out.

The first message is JSON: whom the stream is compared with (``speaker``, who is enrolled, or ``audio``, a file in
base64), and what it is (``sample_rate``, ``channels``). Then come chunks of 16-bit samples (little-endian, channels
interleaved) as binary messages, and at the end ``{"end": true}``. Each new verdict is answered at once, the last one
with ``"final": true``. If ``reasons`` were asked for they follow, as ``explanation`` or, where there are none, as
``unexplained``, which says why.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, WebSocket
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from starlette.websockets import WebSocketDisconnect

from avis.foreign import MAX_LETTERS, parse_json
from avis.names import name as compared
from avis.serving.error_answers import BUG, refusal_of
from avis.serving.gate import POLICY_VIOLATION, TRY_AGAIN, caller_of, subprotocol_of
from avis.serving.refusal import RefusedError, late
from avis.serving.routes import allowed
from avis.serving.service import Service
from avis.serving.settings import Limits
from avis.serving.tokens import Caller
from avis.serving.uploads import Audio, not_understood
from avis.verifier import Session, Verdict, Voiceprint
from avis.verifier.embedder import LEAST_SPEECH_S

LOOKS_EVERY_S = 0.5
"""At whether who is enrolled still is."""
MOST_CHUNK_S = 10.0
MOST_RATE_HZ = 192_000
"""Of sound cards; a stream is kept as it comes until it is heard."""
BYTES_PER_SAMPLE = 2
END = {"end": True}


class Begin(BaseModel, extra="forbid"):
    """The first message of a stream."""

    speaker: Annotated[str, Field(max_length=MAX_LETTERS)] | None = None
    audio: Audio | None = None
    sample_rate: Annotated[int, Field(ge=4000, le=MOST_RATE_HZ)] = 16000
    channels: Annotated[int, Field(ge=1, le=2)] = 1
    min_speech_s: Annotated[float, Field(ge=LEAST_SPEECH_S, le=60)] = 2.0
    reasons: bool = False


router = APIRouter()


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Compare a stream with a voice."""
    await websocket.accept(subprotocol=subprotocol_of(websocket.scope))
    try:
        caller = allowed(caller_of(websocket.scope), "verify")
        await Stream(websocket.app.state.service, websocket, caller).run()
        await websocket.close()
    except WebSocketDisconnect:
        pass
    except Exception as error:
        refusal = refusal_of(error, gallery=websocket.app.state.service.gallery.files.folder)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # who is gone is told nothing
            await websocket.send_text(json.dumps(refusal.plain))
            await websocket.close(TRY_AGAIN if refusal.retry_after_s else POLICY_VIOLATION)
        if refusal.status == BUG:
            raise


class Stream:
    """One stream, from its first message to its last."""

    def __init__(self, service: Service, websocket: WebSocket, caller: Caller) -> None:
        self._service, self._websocket, self._caller = service, websocket, caller
        self._limits = service.limits
        self._ends_at = time.monotonic() + self._limits.stream_s
        self._coming: asyncio.Task[Any] | None = None
        self._looks_at = 0.0
        self._told: Callable[[], None] | None = None

    async def run(self) -> None:
        """Answer verdicts until the stream ends."""
        try:
            await self._run()
        finally:
            if self._told is not None:
                self._told()
            if self._coming is not None:
                self._coming.cancel()

    async def _run(self) -> None:
        begin = _begun(await self._message(None))
        target = await self._target(begin)
        session = await asyncio.to_thread(Session, self._service.verifier, target, min_speech_s=begin.min_speech_s)
        await self._tell(session.verdict)
        self._told = lambda: self._service.decided(
            self._caller,
            "stream",
            session.verdict.outcome,
            speaker=None if begin.speaker is None else compared(begin.speaker),
        )
        kept = _Kept(begin, self._limits)
        while (chunk := self._samples(await self._message(begin.speaker), begin)) is not None:
            before = session.verdict
            verdict = await asyncio.to_thread(session.hear, chunk, begin.sample_rate)
            kept.add(chunk)
            if verdict is not before:
                await self._tell(verdict)
        await self._tell(await asyncio.to_thread(session.close), final=True)
        if begin.reasons:
            await self._send(await self._reasons(target, kept))

    async def _target(self, begin: Begin) -> Voiceprint:
        if begin.speaker is not None:
            return await self._service.enrolled(begin.speaker)
        assert begin.audio is not None, "there is one of the two"
        return await self._service.voiceprint(begin.audio)

    async def _message(self, speaker: str | None) -> Mapping[str, Any]:
        """Return what comes next, as long as the one that it is compared with is enrolled."""
        self._coming = self._coming or asyncio.create_task(self._websocket.receive())
        over_at = min(time.monotonic() + self._limits.stream_idle_s, self._ends_at)
        while not (await asyncio.wait([self._coming], timeout=LOOKS_EVERY_S))[0]:
            if time.monotonic() > over_at:
                raise RefusedError(
                    408,
                    f"stream over: got nothing in {self._limits.stream_idle_s:g} s, or {self._limits.stream_s:g} s of "
                    "it, expected an end. At the stream. Begin another.",
                )
            await self._check_enrolled(speaker)
        message, self._coming = self._coming.result(), None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        await self._check_enrolled(speaker)
        return dict(message)

    async def _check_enrolled(self, speaker: str | None) -> None:
        if speaker is not None and time.monotonic() > self._looks_at:
            self._looks_at = time.monotonic() + LOOKS_EVERY_S
            if not await asyncio.to_thread(self._service.is_enrolled, speaker):
                raise RefusedError(
                    404,
                    f"enrolled no longer: got {speaker!r}, who was removed or renamed, expected somebody who is. At "
                    "the stream. Begin another.",
                )

    def _samples(self, message: Mapping[str, Any], begin: Begin) -> NDArray[np.int16] | None:
        """Return the samples ``[samples, channels]`` of a message; None at the end."""
        data = message.get("bytes")
        if data is None:
            if parse_json((message.get("text") or "").encode(), "a message of the stream") != END:
                raise RefusedError(
                    422, f"no message: got another text, expected {json.dumps(END)}. At the stream. Send it."
                )
            return None
        size, most = BYTES_PER_SAMPLE * begin.channels, MOST_CHUNK_S * begin.sample_rate
        if len(data) % size or len(data) > most * size or time.monotonic() > self._ends_at:
            raise RefusedError(
                422,
                f"no chunk: got {len(data)} bytes, expected 16-bit samples of {begin.channels} channels, at most "
                f"{MOST_CHUNK_S:g} s of them, within {self._limits.stream_s:g} s. At the stream. Send smaller ones.",
            )
        return np.frombuffer(data, "<i2").astype(np.int16, copy=False).reshape(-1, begin.channels)

    async def _reasons(self, target: Voiceprint, kept: "_Kept") -> dict[str, Any]:
        """Return why, of the target's voiceprint and what was heard; or why not, since the verdict stands without."""
        try:
            reasons = self._service.reasons([target], kept.recording, prior=None, checks=False, page=None)
            _, told = await asyncio.wait_for(reasons, self._limits.timeout_s)
        except asyncio.TimeoutError:
            return {"unexplained": late(self._limits.timeout_s).why}
        except (RefusedError, ValueError) as error:
            return {"unexplained": refusal_of(error, gallery=self._service.gallery.files.folder).why}
        return {"explanation": json.loads(told)}

    async def _tell(self, verdict: Verdict, *, final: bool = False) -> None:
        await self._send({"final": final, "verdict": verdict.plain()})

    async def _send(self, plain: Mapping[str, Any]) -> None:
        await self._websocket.send_text(json.dumps(plain))


class _Kept:
    """What of a stream is kept to be explained: all of it, or nothing."""

    def __init__(self, begin: Begin, limits: Limits) -> None:
        self._heard, self._rate, self._channels = bytearray(), begin.sample_rate, begin.channels
        most_s = limits.upload_mb * 1e6 / (BYTES_PER_SAMPLE * begin.channels * begin.sample_rate)
        self._most_s = min(limits.audio_s, limits.explained_s, most_s)
        self._left = self._most_s * begin.sample_rate if begin.reasons else 0.0

    def add(self, chunk: NDArray[np.int16]) -> None:
        """Keep a chunk ``[samples, channels]`` as long as there is room for all."""
        self._left -= len(chunk)
        if self._left >= 0:
            self._heard += chunk.tobytes()
        else:
            self._heard.clear()

    @property
    def recording(self) -> tuple[NDArray[np.int16], int]:
        """All that was heard, and its rate."""
        if not self._heard:
            raise RefusedError(
                413,
                f"stream not to be explained: got nothing, or more than {self._most_s:.0f} s, expected some of it. At "
                "the stream. Send a recording of a part to /v1/explain.",
            )
        return np.frombuffer(self._heard, np.int16).reshape(-1, self._channels), self._rate


def _begun(message: Mapping[str, Any]) -> Begin:
    try:
        begin = Begin.model_validate(parse_json((message.get("text") or "").encode(), "the first message"))
    except ValidationError as error:
        raise not_understood(error) from None
    if (begin.speaker is None) == (begin.audio is None):
        raise RefusedError(
            422,
            "nobody to compare with: got both or neither, expected a speaker or audio. At the first message. Give one "
            "of them.",
        )
    return begin
