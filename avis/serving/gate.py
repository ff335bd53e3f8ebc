"""The gate that each request passes: who it comes from, how many there are, how much they bring, how long it takes."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

from avis.serving.measures import Measures
from avis.serving.rate import Rates
from avis.serving.refusal import RefusedError, late
from avis.serving.settings import Limits, is_loopback
from avis.serving.tokens import ANYONE, Caller, Tokens

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/", "/healthz", "/readyz", "/docs", "/openapi.json")
"""Paths that tell nothing of anybody, and ask for no token."""
PROTOCOL, BEARER = "avis", "bearer."
"""Subprotocols of WebSocket, by which browsers send a token: they can set no header."""
POLICY_VIOLATION, TRY_AGAIN = 1008, 1013
"""How a stream is closed."""
SEVERAL = 2
UNKNOWN = Caller("", frozenset())
"""All whose token is not known, who together come as often as one whose is."""


class Gate:
    """Let requests through to an application, or say why not.

    Parameters
    ----------
    app : App
    tokens : Tokens
        With none, only requests of this machine to itself are let in.
    limits : Limits
    measures : Measures
    """

    def __init__(self, app: App, *, tokens: Tokens, limits: Limits, measures: Measures) -> None:
        self._app, self._tokens, self._limits, self._measures = app, tokens, limits, measures
        self._rates = Rates(per_s=limits.requests_per_s, burst=limits.burst)
        self._at_once = Counter[tuple[str, str]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            try:
                caller = self._admit(scope)
                with self._counted(caller, "websocket", self._limits.streams, self._measures.streams):
                    await self._app(scope, receive, send)
            except RefusedError as refusal:
                await _close(scope, receive, send, refusal)
        elif scope["path"] in OPEN:
            await self._app(scope, receive, send)
        else:
            await self._answered(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 0

        async def seen(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            caller = self._admit(scope)
            with self._counted(caller, "http", self._limits.in_flight, self._measures.in_flight):
                await self._within_time(scope, self._bounded(scope, receive), seen)
        except RefusedError as refusal:
            if status:
                raise
            await _answer(seen, refusal)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._measures.answered(route, status, time.monotonic() - began)

    async def _within_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        within_s = self._limits.timeout_s
        try:
            await asyncio.wait_for(self._app(scope, receive, send), within_s)
        except asyncio.TimeoutError:
            raise late(within_s) from None

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Refuse a body that is, or says that it is, too large, or that comes too slowly."""
        most, got, is_whole = int(self._limits.upload_mb * 1e6), 0, False
        over_at = time.monotonic() + self._limits.upload_s
        stated = _header(scope, b"content-length")
        if stated.isdecimal() and int(stated) > most:
            raise _too_large(self._limits)

        async def counted() -> MutableMapping[str, Any]:
            nonlocal got, is_whole
            within_s = None if is_whole else over_at - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), within_s)
            except asyncio.TimeoutError:
                raise _too_slow(self._limits) from None
            got += len(message.get("body", b""))
            if got > most:
                raise _too_large(self._limits)
            is_whole = not message.get("more_body", False)
            return message

        return counted

    def _admit(self, scope: Scope) -> Caller:
        """Find out who calls, as ``scope["caller"]``."""
        host, origin = _header(scope, b"host"), _header(scope, b"origin")
        if origin and _split(origin).netloc != host:
            raise RefusedError(
                403, f"page of another host: got {origin[:200]}, expected none. At the header Origin. Call it directly."
            )
        if not self._tokens and not is_loopback(_split(f"//{host}").hostname or ""):
            raise RefusedError(
                403,
                f"another host without tokens: got {host[:200]}, expected 127.0.0.1 or localhost. At the header Host. "
                "Start the service with tokens.",
            )
        caller = self._tokens.caller(_token(scope)) if self._tokens else ANYONE
        if wait_s := self._rates.wait_s((caller or UNKNOWN).name):
            raise RefusedError(
                429,
                f"too many requests: got more than {self._limits.requests_per_s:g} per second, expected fewer. At "
                f"{f'the token {caller.name}' if caller else 'tokens that are not known'}. Send it again later.",
                retry_after_s=wait_s,
            )
        if caller is None:
            raise RefusedError(
                401,
                "token not known: got none or another, expected 'Authorization: Bearer <token>'. At the header "
                "Authorization. Ask who runs the service for one.",
            )
        scope["caller"] = caller
        return caller

    @contextmanager
    def _counted(self, caller: Caller, kind: str, most: int, gauge: Any) -> Iterator[None]:
        """Take one of the places that there are, of which nobody has more than half while others may come."""
        own, all_of_them = (kind, caller.name), (kind, UNKNOWN.name)
        share = most if len(self._tokens) < SEVERAL else (most + 1) // 2
        if self._at_once[all_of_them] >= most or self._at_once[own] >= share:
            raise RefusedError(
                429,
                f"too busy: got more than {most} at once, or {share} of one token, expected fewer. At the service. "
                "Send it again later.",
                retry_after_s=1.0,
            )
        self._at_once.update((own, all_of_them))
        gauge.set(self._at_once[all_of_them])
        try:
            yield
        finally:
            self._at_once.subtract((own, all_of_them))
            gauge.set(self._at_once[all_of_them])


def caller_of(scope: Scope) -> Caller:
    """Return who the gate found to call."""
    caller: Caller = scope["caller"]
    return caller


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _token(scope: Scope) -> str | None:
    kind, _, token = _header(scope, b"authorization").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    asked = [each for each in scope.get("subprotocols", []) if each.startswith(BEARER)]
    return asked[0].removeprefix(BEARER) if asked else None


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(
        413,
        f"request too large: got more than {limits.upload_mb:g} MB, expected less. At the body. Send shorter or fewer "
        "recordings, or compressed ones such as FLAC.",
    )


def _too_slow(limits: Limits) -> RefusedError:
    return RefusedError(
        408,
        f"request too slow: got less than all of it within {limits.upload_s:g} s, expected the end. At the body. Send "
        "shorter or fewer recordings, or compressed ones such as FLAC.",
    )


async def _answer(send: Send, refusal: RefusedError) -> None:
    headers = {"content-type": "application/json", **refusal.headers}
    encoded = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": json.dumps(refusal.plain).encode()})


def subprotocol_of(scope: Scope) -> str | None:
    """Return the subprotocol of a stream; browsers that ask for some break off where they are answered none."""
    return PROTOCOL if PROTOCOL in scope.get("subprotocols", []) else None


async def _close(scope: Scope, receive: Receive, send: Send, refusal: RefusedError) -> None:
    """Say why a stream is refused, which takes that it is accepted first."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": subprotocol_of(scope)})
    await send({"type": "websocket.send", "text": json.dumps(refusal.plain)})
    await send({"type": "websocket.close", "code": TRY_AGAIN if refusal.status == 429 else POLICY_VIOLATION})
