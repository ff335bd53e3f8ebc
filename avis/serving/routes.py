"""The endpoints."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from avis.explain.record import Explanation
from avis.foreign import MAX_LETTERS
from avis.serving import answers
from avis.serving.gate import caller_of
from avis.serving.refusal import Refusal
from avis.serving.service import Service
from avis.serving.tokens import Caller, Scope
from avis.serving.uploads import NewName, OneRecording, Trial, TwoRecordings, Unknown, Voices, in_words, reading
from avis.verifier import Enrolment, Identification, Verdict

PLAIN = "application/json"


def needs(scope: Scope) -> Any:
    """Return the dependency by which an endpoint is for tokens of a scope alone, and knows who calls."""

    def caller(request: Request) -> Caller:
        return allowed(caller_of(request.scope), scope)

    return Depends(caller)


def allowed(caller: Caller, scope: Scope) -> Caller:
    """Return who calls, unless the token is for something else."""
    if not caller.may(scope):
        raise Refusal(
            403,
            f"token for something else: got one for {', '.join(sorted(caller.scopes))}, expected one for {scope}. At "
            f"the token {caller.name}. Ask who runs the service.",
        )
    return caller


def routes(service: Service) -> APIRouter:
    """Return the endpoints of a service."""
    router = APIRouter(responses={"default": {"model": answers.Error}})
    for add in (_add_recordings, _add_speakers, _add_about):
        add(router, service)
    return router


def _add_recordings(router: APIRouter, service: Service) -> None:
    def read(kind: Any) -> Any:
        return Depends(reading(kind, service.limits))

    @router.post("/v1/verify", response_model=Verdict, openapi_extra=in_words(TwoRecordings))
    async def verify(caller: Caller = needs("verify"), asked: TwoRecordings = read(TwoRecordings)) -> Response:
        """Say whether one person speaks in two recordings, and how sure that is."""
        return _answer((await service.verify(caller, asked.a, asked.b)).plain())

    @router.post("/v1/embed", response_model=answers.Embedding, openapi_extra=in_words(OneRecording))
    async def embed(caller: Caller = needs("verify"), asked: OneRecording = read(OneRecording)) -> Response:
        """Return the embedding of a recording: a biometric template."""
        return _answer(answers.Embedding.of(await service.voiceprint(asked.audio)))

    @router.post("/v1/identify", response_model=Identification, openapi_extra=in_words(Unknown))
    async def identify(caller: Caller = needs("verify"), asked: Unknown = read(Unknown)) -> Response:
        """Say who of those enrolled speaks in a recording, if it is one of them."""
        return _answer((await service.identify(caller, asked.audio, asked.most)).plain())

    @router.post(
        "/v1/explain",
        response_model=Explanation,
        openapi_extra=in_words(Trial),
        responses={200: {"content": {"text/html": {}}}},
    )
    async def explain(
        accept: Annotated[str, Header()] = PLAIN, caller: Caller = needs("verify"), asked: Trial = read(Trial)
    ) -> Response:
        """Say why a verdict comes out as it does: the record, or with ``Accept: text/html`` a page."""
        page = accept.startswith("text/html")
        told = await service.explain(caller, asked, page=page)
        return HTMLResponse(told) if page else Response(told, media_type=PLAIN)


def _add_speakers(router: APIRouter, service: Service) -> None:
    def read(kind: Any) -> Any:
        return Depends(reading(kind, service.limits))

    @router.get("/v1/speakers", response_model=answers.Speakers)
    def list_speakers(caller: Caller = needs("enrol")) -> Response:
        """List who is enrolled, and until when."""
        return _answer({"recordings": service.gallery.list().to_pylist()})

    @router.post("/v1/speakers/{speaker}", response_model=Enrolment, openapi_extra=in_words(Voices))
    async def enrol(speaker: str, caller: Caller = needs("enrol"), asked: Voices = read(Voices)) -> Response:
        """Enrol somebody with recordings; what would spoil later answers is refused, and named."""
        return _answer((await service.enroll(caller, _short(speaker), asked)).plain())

    @router.patch("/v1/speakers/{speaker}", response_model=answers.Renamed, openapi_extra=in_words(NewName))
    async def rename(speaker: str, caller: Caller = needs("enrol"), asked: NewName = read(NewName)) -> Response:
        """Give somebody another name."""
        await service.rename(caller, _short(speaker), asked.name)
        return _answer({"speaker": asked.name})

    @router.delete("/v1/speakers/{speaker}", response_model=answers.Removed)
    async def remove(speaker: str, caller: Caller = needs("enrol")) -> Response:
        """Remove somebody with all that is kept of them."""
        return _answer({"speaker": speaker, "num_recordings": await service.remove(caller, _short(speaker))})


def _add_about(router: APIRouter, service: Service) -> None:
    @router.get("/v1/calibration", response_model=answers.Calibrated)
    def calibration(caller: Caller = needs("verify")) -> Response:
        """Say what decides: the model, its threshold, and what that was calibrated on."""
        return _answer(service.calibration())

    @router.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Say that the ingress is alive."""
        return "alive"

    @router.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> str:
        """Say that all kinds of replicas answer."""
        await service.check_ready()
        return "ready"

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics(caller: Caller = needs("admin")) -> Response:
        """Return figures for Prometheus."""
        return Response(service.measures.text(), media_type="text/plain; version=0.0.4")


def _answer(plain: dict[str, Any]) -> Response:
    return Response(json.dumps(plain, default=str, allow_nan=False), media_type=PLAIN)


def _short(speaker: str) -> str:
    """Return a name that could be one."""
    if len(speaker) > MAX_LETTERS:
        raise Refusal(
            422, f"no name: got {len(speaker)} letters, expected at most {MAX_LETTERS}. At the path. Correct it."
        )
    return speaker
