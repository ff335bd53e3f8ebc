"""Ask a service that `avis serve` started: the answers are the objects of `avis.verifier`.

from avis.client import Client

with Client("http://127.0.0.1:8000", token="...") as service:
    print(service.verify("one.wav", "other.wav"))
"""

import asyncio
import base64
import datetime
import io
import itertools
import json
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from avis.explain import Explanation
from avis.verifier import Enrolment, Identification, Verdict, Voiceprint

Audio = str | os.PathLike[str] | bytes | tuple[NDArray[Any], int]
"""A path, what a file holds, or samples ``[samples(, channels)]`` and their rate in Hz."""

TRIES = 5
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 30.0
BUSY, AWAY = 429, (502, 503, 504)
"""Statuses after which it is asked again: always, and for what changes nothing. Proxies answer 502 and 504."""


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
        self._stream_url = f"{url.rstrip('/').replace('http', 'ws', 1)}/v1/stream"

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

    def stream(
        self,
        chunks: Iterable[NDArray[np.int16]],
        *,
        sample_rate: int,
        speaker: str | None = None,
        audio: Audio | None = None,
        min_speech_s: float = 2.0,
        reasons: bool = False,
    ) -> Iterator[Verdict | Explanation]:
        """Compare a stream with somebody who is enrolled or with a recording; see `avis.verifier.Session`.

        Parameters
        ----------
        chunks : iterable of int16 [samples(, channels)]
            They are sent as they come, 10 s at once at most.
        sample_rate : int
            Of the chunks, in Hz.
        speaker : str or None
            Who is enrolled; either that or ``audio`` is given.
        audio : Audio or None
        min_speech_s : float
        reasons : bool
            Whether an explanation follows the last verdict.

        Yields
        ------
        Verdict or Explanation
            Each verdict at once, the last of which is of all that was heard.

        Raises
        ------
        ServiceError
            If the service refuses, is not reached or breaks off, or has no reasons.
        """
        coming = iter(chunks)
        first = np.asarray(next(coming, np.zeros(0, np.int16)))
        begin: dict[str, Any] = {"sample_rate": sample_rate, "channels": first.shape[1] if first.ndim == 2 else 1}
        begin |= {"min_speech_s": min_speech_s, "reasons": reasons}
        begin |= {} if speaker is None else {"speaker": speaker}
        begin |= {} if audio is None else {"audio": base64.b64encode(_file(audio)).decode()}
        headers = {key: value for key, value in self._http.headers.items() if key == "authorization"}
        is_whole, faults = False, list[BaseException]()
        try:
            with connect(self._stream_url, additional_headers=headers, max_size=None) as stream:
                stream.send(json.dumps(begin))
                threading.Thread(target=_send, args=(stream, first, coming, faults), daemon=True).start()
                for message in stream:
                    plain = json.loads(message)
                    if "verdict" in plain:
                        is_whole = plain["final"] and not reasons
                        yield TypeAdapter(Verdict).validate_python(plain["verdict"])
                    elif "explanation" in plain:
                        is_whole = True
                        yield Explanation.model_validate(plain["explanation"])
                    else:
                        raise ServiceError(0, {"error": plain.get("error") or plain.get("unexplained")})
        except (WebSocketException, OSError) as error:
            told = f"stream broke off: got {type(error).__name__} ({error}), expected its end. At {self._stream_url}."
            raise ServiceError(0, {"error": f"{told} Is it running?"}) from error
        if faults:
            raise faults[0]
        if not is_whole:
            told = f"stream broke off: got no last verdict, expected one. At {self._stream_url}. Begin another."
            raise ServiceError(0, {"error": told})

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
                again = response.status_code == BUSY or (response.status_code in AWAY and not is_change)
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

    async def stream(
        self,
        chunks: Iterable[NDArray[np.int16]],
        *,
        sample_rate: int,
        speaker: str | None = None,
        audio: Audio | None = None,
        min_speech_s: float = 2.0,
        reasons: bool = False,
    ) -> AsyncIterator[Verdict | Explanation]:
        """See `Client.stream`."""
        told: dict[str, Any] = {"sample_rate": sample_rate, "speaker": speaker, "audio": audio}
        told |= {"min_speech_s": min_speech_s, "reasons": reasons}
        is_left = threading.Event()
        running = self._client.stream(itertools.takewhile(lambda _: not is_left.is_set(), chunks), **told)
        try:
            while (heard := await asyncio.to_thread(next, running, None)) is not None:
                yield heard
        finally:
            is_left.set()  # which ends the stream, and with it the thread that hears

    async def list(self) -> list[dict[str, Any]]:
        """See `Client.list`."""
        return await asyncio.to_thread(self._client.list)

    async def rename(self, speaker: str, to: str) -> None:
        """See `Client.rename`."""
        await asyncio.to_thread(self._client.rename, speaker, to)

    async def remove(self, speaker: str) -> int:
        """See `Client.remove`."""
        return await asyncio.to_thread(self._client.remove, speaker)


def _send(
    stream: ClientConnection, first: NDArray[np.int16], coming: Iterator[NDArray[np.int16]], faults: list[BaseException]
) -> None:
    """Send chunks and the end, on a thread beside that which hears the verdicts."""
    try:
        for chunk in itertools.chain([first], coming):
            stream.send(_pcm(chunk))
        stream.send(json.dumps({"end": True}))
    except ConnectionClosed:
        pass  # which the other thread sees too
    except BaseException as fault:
        faults.append(fault)
        stream.close()


def _pcm(chunk: NDArray[np.int16]) -> bytes:
    samples = np.asarray(chunk)
    if samples.dtype != np.int16:
        raise ValueError(
            f"no chunk: got samples of {samples.dtype}, expected int16. At a stream's chunks. Convert them."
        )
    return samples.astype("<i2", copy=False).tobytes()


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
