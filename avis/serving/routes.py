"""The endpoints."""

import datetime
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response, Security
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.security import HTTPBearer

from avis.explain.record import Explanation
from avis.foreign import MAX_LETTERS
from avis.names import name as compared
from avis.serving import answers
from avis.serving.gate import caller_of
from avis.serving.refusal import RefusedError
from avis.serving.service import Service
from avis.serving.tokens import Caller, Scope
from avis.serving.uploads import NewName, OneRecording, Trial, TwoRecordings, Unknown, Voices, in_words, reading
from avis.verifier import Enrolment, Identification, Verdict

PLAIN, PAGE = "application/json", "text/html"
BEARER = HTTPBearer(auto_error=False, description="A token, where the service has some.")

router = APIRouter(responses={"default": {"model": answers.Error}})


def service_of(request: Request) -> Service:
    """Return what the endpoints of an application do."""
    service: Service = request.app.state.service
    return service


def allowed(caller: Caller, scope: Scope) -> Caller:
    """Return who calls, unless the token is for something else."""
    if not caller.may(scope):
        raise RefusedError(
            403,
            f"token for something else: got one for {', '.join(sorted(caller.scopes))}, expected one for {scope}. At "
            f"the token {caller.name}. Ask who runs the service.",
        )
    return caller


def needs(scope: Scope) -> Any:
    """Return the dependency by which an endpoint is for tokens of a scope alone, and knows who calls."""

    def caller(request: Request, _: Annotated[Any, Security(BEARER)]) -> Caller:
        return allowed(caller_of(request.scope), scope)

    return Depends(caller)


Served = Annotated[Service, Depends(service_of)]
Verifying = Annotated[Caller, needs("verify")]
Enrolling = Annotated[Caller, needs("enrol")]
Managing = Annotated[Caller, needs("admin")]
Name = Annotated[str, Path(max_length=MAX_LETTERS)]


@router.post("/v1/verify", response_model=Verdict, openapi_extra=in_words(TwoRecordings))
async def verify(service: Served, caller: Verifying, asked: Annotated[TwoRecordings, reading(TwoRecordings)]) -> Any:
    """Say whether one person speaks in two recordings, and how sure that is."""
    return _answer((await service.verify(caller, asked.a, asked.b)).plain())


@router.post("/v1/embed", response_model=answers.Embedding, openapi_extra=in_words(OneRecording))
async def embed(service: Served, _: Verifying, asked: Annotated[OneRecording, reading(OneRecording)]) -> Any:
    """Return the embedding of a recording: a biometric template."""
    return _answer(answers.Embedding.of(await service.voiceprint(asked.audio)))


@router.post("/v1/identify", response_model=Identification, openapi_extra=in_words(Unknown))
async def identify(service: Served, caller: Verifying, asked: Annotated[Unknown, reading(Unknown)]) -> Any:
    """Say who of those enrolled speaks in a recording, if it is one of them."""
    return _answer((await service.identify(caller, asked.audio, asked.most)).plain())


@router.post(
    "/v1/explain",
    response_model=Explanation,
    openapi_extra=in_words(Trial),
    responses={200: {"content": {PAGE: {}}}},
)
async def explain(
    service: Served,
    caller: Verifying,
    asked: Annotated[Trial, reading(Trial)],
    accept: Annotated[str, Header()] = PLAIN,
) -> Any:
    """Say why a verdict comes out as it does: the record, or with ``Accept: text/html`` a page."""
    page = accept.startswith(PAGE)
    told = await service.explain(caller, asked, page=page)
    return HTMLResponse(told) if page else Response(told, media_type=PLAIN)


@router.get("/v1/speakers", response_model=answers.Speakers)
def list_speakers(service: Served, _: Enrolling) -> Any:
    """List who is enrolled, and until when."""
    return _answer({"recordings": service.gallery.list().to_pylist()})


@router.post("/v1/speakers/{speaker:path}", response_model=Enrolment, openapi_extra=in_words(Voices))
async def enrol(speaker: Name, service: Served, caller: Enrolling, asked: Annotated[Voices, reading(Voices)]) -> Any:
    """Enrol somebody with recordings; what would spoil later answers is refused, and named."""
    return _answer((await service.enroll(caller, speaker, asked)).plain())


@router.patch("/v1/speakers/{speaker:path}", response_model=answers.Renamed, openapi_extra=in_words(NewName))
async def rename(speaker: Name, service: Served, caller: Enrolling, asked: Annotated[NewName, reading(NewName)]) -> Any:
    """Give somebody another name."""
    await service.rename(caller, speaker, asked.name)
    return _answer({"speaker": compared(asked.name)})


@router.delete("/v1/speakers/{speaker:path}", response_model=answers.Removed)
async def remove(speaker: Name, service: Served, caller: Enrolling) -> Any:
    """Remove somebody with all that is kept of them."""
    return _answer({"speaker": compared(speaker), "num_recordings": await service.remove(caller, speaker)})


@router.get("/v1/calibration", response_model=answers.Calibrated)
def calibration(service: Served, _: Verifying) -> Any:
    """Say what decides: the model, its threshold, and what that was calibrated on."""
    return _answer(service.calibration())


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Say that the ingress is alive."""
    return "alive"


@router.get("/readyz", response_class=PlainTextResponse)
async def readyz(service: Served) -> str:
    """Say that all kinds of replicas answer."""
    await service.check_ready()
    return "ready"


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Served, _: Managing) -> Any:
    """Return figures for Prometheus."""
    return Response(service.measures.text(), media_type="text/plain; version=0.0.4")


def _day(value: datetime.date) -> str:
    """Return a day, or a moment, as JSON has it (RFC 3339)."""
    return value.isoformat()


def _answer(plain: dict[str, Any]) -> Response:
    return Response(json.dumps(plain, default=_day, allow_nan=False), media_type=PLAIN)
