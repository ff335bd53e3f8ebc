"""The deployment that requests come to."""

import json
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from ray import serve
from starlette.exceptions import HTTPException

from avis.audio.audio_error import AudioError
from avis.engine.entry import is_users
from avis.reports.html import render
from avis.serving import stream
from avis.serving.audit import Audit
from avis.serving.gate import App, Gate
from avis.serving.measures import Measures
from avis.serving.refusal import Refusal
from avis.serving.remote_verifier import RemoteVerifier
from avis.serving.routes import routes
from avis.serving.service import Service
from avis.serving.settings import Settings
from avis.serving.tokens import Tokens
from avis.verifier import Gallery

TITLE = "AVIS: speaker verification"
ABOUT = "Compare, name, enrol and explain voices. Send a token as 'Authorization: Bearer <token>' where there are some."


class Ingress:
    """The application behind its gate."""

    def __init__(
        self, settings: Settings, tokens: Tokens, decoders: Any, models: Any, explainers: Any, writer: Any
    ) -> None:
        verifier = RemoteVerifier.load_with(settings.verifier, models)
        self._measures = Measures(serve.get_replica_context().replica_tag)
        self._settings, self._tokens = settings, tokens
        self._service = Service(
            verifier=verifier,
            gallery=Gallery.open(settings.gallery, verifier),
            decoders=decoders,
            models=models,
            explainers=explainers,
            writer=writer,
            audit=Audit(settings.audit, model=verifier.digest),
            measures=self._measures,
            limits=settings.limits,
        )

    def __serve_build_asgi_app__(self) -> App:  # noqa: PLW3201
        return Gate(
            application(self._service), tokens=self._tokens, limits=self._settings.limits, measures=self._measures
        )


def application(service: Service) -> FastAPI:
    """Return the application of a service, without its gate."""
    app = FastAPI(title=TITLE, description=ABOUT, docs_url=None, redoc_url=None)
    router = routes(service)
    stream.add_stream(router, service)
    app.include_router(router)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        about = app.openapi()
        return HTMLResponse(render("docs.html.j2", package="avis.serving", about=about, stream=stream.__doc__))

    for kind in (Refusal, HTTPException, RequestValidationError, AudioError, ValueError, OSError, Exception):
        app.add_exception_handler(kind, _told)
    return app


async def _told(_: Request, error: Exception) -> Response:
    """Say in one message what went wrong."""
    refusal = refusal_of(error)
    return Response(
        json.dumps(refusal.plain), refusal.status, headers=refusal.headers, media_type="application/json"
    )


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal that an error comes to; a bug says no more than that."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException):
        return Refusal(
            error.status_code,
            f"no such endpoint: got {error.detail}, expected one of those at /docs. At the path. Correct it.",
        )
    if isinstance(error, RequestValidationError):
        where = ".".join(map(str, error.errors()[0]["loc"]))
        return Refusal(422, f"request not understood: got another {where}, expected what /docs says. At {where}.")
    if isinstance(error, OSError):
        return Refusal(
            503,
            f"storage does not answer: got {type(error).__name__}, expected the gallery. At the service. Send it again.",
            retry_after_s=1.0,
        )
    if is_users(error):
        return Refusal(422, str(error))
    return Refusal(
        500,
        f"a bug of AVIS: got {type(error).__name__}, expected an answer. At the service, whose log says more. Please "
        "report it.",
    )
