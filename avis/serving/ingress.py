"""The deployment that requests come to."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from ray import serve
from starlette.exceptions import HTTPException

from avis.audio.audio_error import AudioError
from avis.reports.html import render
from avis.serving import routes, stream
from avis.serving.audit import Audit
from avis.serving.error_answers import refusal_of
from avis.serving.gate import App, Gate
from avis.serving.measures import Measures
from avis.serving.page.index import HEADERS, index_page
from avis.serving.refusal import RefusedError
from avis.serving.remote_verifier import RemoteVerifier
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

    def __serve_build_asgi_app__(self) -> App:
        return Gate(
            application(self._service), tokens=self._tokens, limits=self._settings.limits, measures=self._measures
        )


def application(service: Service) -> FastAPI:
    """Return the application of a service, without its gate."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ThreadPoolExecutor(service.limits.in_flight + service.limits.streams) as threads:
            asyncio.get_running_loop().set_default_executor(threads)  # asyncio's own has few, and streams wait in it
            yield

    app = FastAPI(title=TITLE, description=ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    app.include_router(routes.router)
    app.include_router(stream.router)

    @app.get("/", include_in_schema=False)
    def index() -> HTMLResponse:
        return HTMLResponse(index_page(TITLE), headers=HEADERS)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        about = app.openapi()
        return HTMLResponse(render("docs.html.j2", package="avis.serving", about=about, stream=stream.__doc__))

    for kind in (RefusedError, HTTPException, RequestValidationError, AudioError, ValueError, OSError, Exception):
        app.add_exception_handler(kind, _told)
    return app


async def _told(request: Request, error: Exception) -> Response:
    """Say in one message what went wrong."""
    refusal = refusal_of(error, gallery=request.app.state.service.gallery.files.folder)
    return Response(json.dumps(refusal.plain), refusal.status, headers=refusal.headers, media_type="application/json")
