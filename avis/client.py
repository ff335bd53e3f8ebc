"""Ask a service that `avis serve` started: the answers are the objects of `avis.verifier`.

from avis.client import Client

with Client("http://127.0.0.1:8000", token="...") as service:
    print(service.verify("one.wav", "other.wav"))
"""

import asyncio
import datetime
import io
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from pydantic import TypeAdapter

from avis.explain import Explanation
from avis.verifier import Enrolment, Identification, Verdict, Voiceprint

Audio = str | os.PathLike[str] | bytes | tuple[NDArray[Any], int]
"""A path, what a file holds, or samples ``[samples(, channels)]`` and their rate in Hz."""

TRIES = 5
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 30.0
BUSY, AWAY = 429, 503


class ServiceError(ValueError):
    """What the service refuses, in its words.

    Attributes
    ----------
    status : int
        Of HTTP; 0 where the service was not reached.
    plain : dict
        What was answered.
    """

    def __init__(self, status: int, plain: Mapping[str, Any]) -> None:
        super().__init__(str(plain.get("error", plain)))
        self.status, self.plain = status, dict(plain)


class Client:
    """Asks a service; where it is busy or away, again, after as long as it says.

    Changes are asked for again only where they were surely not made. Threads may share one.

    Parameters
    ----------
    url : str
    token : str or None
    timeout_s : float
        Of each try.
    tries : int
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = 60.0, tries: int = TRIES) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http, self._tries = httpx.Client(base_url=url, headers=headers, timeout=timeout_s), tries

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def verify(self, a: Audio, b: Audio) -> Verdict:
        """Compare two recordings; see `avis.verifier.Verifier.verify`.

        Raises
        ------
        ServiceError
            If the service refuses, or is not reached; so do all others.
        """
        return TypeAdapter(Verdict).validate_json(self._asked("POST", "/v1/verify", **_form({}, a=[a], b=[b])))

    def embed(self, audio: Audio) -> Voiceprint:
        """Embed a recording; see `avis.verifier.Verifier.embed`."""
        plain = json.loads(self._asked("POST", "/v1/embed", **_form({}, audio=[audio])))
        embedding = None if plain["embedding"] is None else np.array(plain["embedding"], np.float32)
        return Voiceprint(**{**plain, "embedding": embedding})

    def identify(self, audio: Audio, *, most: int = 5) -> Identification:
        """Say who of those enrolled speaks; see `avis.verifier.Gallery.identify`."""
        body = self._asked("POST", "/v1/identify", **_form({"most": most}, audio=[audio]))
        return TypeAdapter(Identification).validate_json(body)

    def explain(self, a: Sequence[Audio], b: Audio, *, prior: float | None = None, quick: bool = False) -> Explanation:
        """Say why a verdict comes out as it does; see `avis.explain.explain`."""
        form = _form({"prior": prior, "quick": quick}, a=a, b=[b])
        return Explanation.model_validate_json(self._asked("POST", "/v1/explain", **form))

    def enroll(
        self,
        speaker: str,
        audio: Sequence[Audio],
        *,
        consent: str | None = None,
        keep_until: datetime.date | None = None,
        all_of_them: bool = False,
    ) -> Enrolment:
        """Enrol somebody; see `avis.verifier.Gallery.enroll`."""
        form = _form({"consent": consent, "keep_until": keep_until, "all": all_of_them}, audio=audio)
        return TypeAdapter(Enrolment).validate_json(self._asked("POST", _path(speaker), is_change=True, **form))

    def list(self) -> list[dict[str, Any]]:
        """List the recordings of those who are enrolled; see `avis.schema.enrolled_schema`."""
        recordings: list[dict[str, Any]] = json.loads(self._asked("GET", "/v1/speakers"))["recordings"]
        return recordings

    def rename(self, speaker: str, to: str) -> None:
        """Give somebody another name."""
        self._asked("PATCH", _path(speaker), is_change=True, json={"name": to})

    def remove(self, speaker: str) -> int:
        """Remove somebody, and return how many recordings of them there were."""
        return int(json.loads(self._asked("DELETE", _path(speaker), is_change=True))["num_recordings"])

    def _asked(self, verb: str, path: str, *, is_change: bool = False, **request: Any) -> bytes:
        """Return the body of the answer."""
        for left in reversed(range(self._tries)):
            wait_s = FIRST_WAIT_S * 2 ** (self._tries - 1 - left) * random.uniform(0.5, 1.0)
            try:
                response = self._http.request(verb, path, **request)
            except httpx.TransportError as error:
                may_be_made = is_change and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if may_be_made or not left:
                    told = f"service not reached: got {type(error).__name__} ({error}), expected an answer."
                    raise ServiceError(0, {"error": f"{told} At {error.request.url}. Is it running?"}) from error
            else:
                if response.is_success:
                    return response.content
                again = response.status_code == BUSY or (response.status_code == AWAY and not is_change)
                if not (again and left):
                    raise ServiceError(response.status_code, _plain(response))
                wait_s = max(wait_s, _seconds(response.headers.get("retry-after", "")))
            time.sleep(min(MOST_WAIT_S, wait_s))
        raise AssertionError("a try returns or raises")


def _seconds(retry_after: str) -> float:
    """Return the seconds of a header; proxies may send a date, which is not waited for.

    >>> _seconds("3"), _seconds("Fri, 27 Nov 2026 02:00:00 GMT"), _seconds("")
    (3.0, 0.0, 0.0)
    """
    return float(retry_after) if retry_after.replace(".", "", 1).isdecimal() else 0.0


class AsyncClient:
    """What `Client` is, to be awaited: each request is waited for on a thread of its own.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    async def verify(self, a: Audio, b: Audio) -> Verdict:
        """See `Client.verify`."""
        return await asyncio.to_thread(self._client.verify, a, b)

    async def embed(self, audio: Audio) -> Voiceprint:
        """See `Client.embed`."""
        return await asyncio.to_thread(self._client.embed, audio)

    async def identify(self, audio: Audio, *, most: int = 5) -> Identification:
        """See `Client.identify`."""
        return await asyncio.to_thread(self._client.identify, audio, most=most)

    async def explain(
        self, a: Sequence[Audio], b: Audio, *, prior: float | None = None, quick: bool = False
    ) -> Explanation:
        """See `Client.explain`."""
        return await asyncio.to_thread(self._client.explain, a, b, prior=prior, quick=quick)

    async def enroll(
        self,
        speaker: str,
        audio: Sequence[Audio],
        *,
        consent: str | None = None,
        keep_until: datetime.date | None = None,
        all_of_them: bool = False,
    ) -> Enrolment:
        """See `Client.enroll`."""
        told: dict[str, Any] = {"consent": consent, "keep_until": keep_until, "all_of_them": all_of_them}
        return await asyncio.to_thread(self._client.enroll, speaker, audio, **told)

    async def list(self) -> list[dict[str, Any]]:
        """See `Client.list`."""
        return await asyncio.to_thread(self._client.list)

    async def rename(self, speaker: str, to: str) -> None:
        """See `Client.rename`."""
        await asyncio.to_thread(self._client.rename, speaker, to)

    async def remove(self, speaker: str) -> int:
        """See `Client.remove`."""
        return await asyncio.to_thread(self._client.remove, speaker)


def _form(fields: Mapping[str, Any], **recordings: Sequence[Audio]) -> dict[str, Any]:
    files = [(name, ("audio", _file(each))) for name, several in recordings.items() for each in several]
    return {"files": files, "data": {name: str(value) for name, value in fields.items() if value is not None}}


def _file(audio: Audio) -> bytes:
    if isinstance(audio, bytes):
        return audio
    if isinstance(audio, tuple):
        samples, rate = audio
        subtype = "PCM_16" if np.asarray(samples).dtype == np.int16 else "FLOAT"
        sf.write(file := io.BytesIO(), samples, rate, format="WAV", subtype=subtype)
        return file.getvalue()
    with open(audio, "rb") as opened:
        return opened.read()


def _path(speaker: str) -> str:
    return f"/v1/speakers/{quote(speaker, safe='')}"


def _plain(response: httpx.Response) -> dict[str, Any]:
    try:
        plain = response.json()
    except ValueError:
        plain = None
    if isinstance(plain, dict):
        return plain
    return {"error": f"no answer of the service: got status {response.status_code}, expected one in JSON."}
