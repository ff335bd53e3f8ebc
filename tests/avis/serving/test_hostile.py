"""Ten thousand requests that mean harm, while others are served."""

import base64
import json
import os
import socket
import struct
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.avis.serving.conftest import TOKENS, children, wav

NUM_REQUESTS, NUM_CALLERS = 10_000, 4
PATHS = [
    "/v1/verify",
    "/v1/embed",
    "/v1/identify",
    "/v1/explain",
    "/v1/speakers/eve",
    "/v1/speakers/..%2f..%2fetc",
    "/v1/speakers/%00",
    "/v1/speakers/" + "e" * 300,
    "/v1/calibration",
    "/v1/nothing",
    "/metrics",
]
VERBS = ["GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
FORMATS = [wav(0), wav(1, format="FLAC"), wav(2, format="OGG"), wav(3, format="MP3"), wav(4, subtype="FLOAT")]
GOOD = {"files": {"a": wav(0), "b": wav(1)}}


def audio(rng) -> bytes:
    """Return a file that is damaged, lies about itself, or is none."""
    file = bytearray(FORMATS[rng.integers(len(FORMATS))])
    match rng.integers(7):
        case 0:
            return rng.bytes(rng.integers(5000))
        case 1:
            return bytes(file[: rng.integers(len(file))])
        case 2:
            for at in rng.integers(min(200, len(file)), size=rng.integers(1, 20)):
                file[at] = rng.integers(256)
        case 3:
            for at in rng.integers(len(file), size=rng.integers(1, 200)):
                file[at] = rng.integers(256)
        case 4:  # a header that promises hours, channels, or a rate of another world
            file[22:40] = struct.pack("<HIIHH", *rng.integers(65535, size=5)) + b"data"
        case 5:
            return bytes(file) + rng.bytes(rng.integers(100_000))
        case 6:
            return b"#!/bin/sh\nPK\x03\x04" + bytes(file)
    return bytes(file)


def headers(rng) -> dict[str, str]:
    token = [*TOKENS.values(), "guess", "", "\x7f", "x" * 5000, f"{TOKENS['admin']} {TOKENS['verify']}"][
        rng.integers(8)
    ]
    made = {"Authorization": f"{['Bearer', 'bearer', 'Basic', ''][rng.integers(4)]} {token}"}
    match rng.integers(8):
        case 0:
            made["Origin"] = ["null", "http://[", "https://example.org", "x" * 1000][rng.integers(4)]
        case 1:
            made["Host"] = ["", "[", "example.org:99999", "127.0.0.1\x01"][rng.integers(4)]
        case 2:
            made["Content-Type"] = [
                "multipart/form-data",
                "multipart/form-data; boundary=" + "x" * 2000,
                "application/json; charset=utf-7",
                "text/html",
            ][rng.integers(4)]
        case 3:
            made |= {f"X-{number}": "y" * 50 for number in range(rng.integers(90))}
        case 4:
            made["Accept"] = ["text/html", "*/*", "\xff"][rng.integers(3)]
        case 5:
            made["Content-Encoding"] = "gzip"
    return made


def body(rng) -> dict:
    names = ["a", "b", "audio", "speaker", "prior", "all", "keep_until", "consent", "name", "most", "\u202e", ""]
    picked = [names[number] for number in rng.integers(len(names), size=rng.integers(1, 6))]
    match rng.integers(6):
        case 0:
            return {"files": [(name, (f"../{name}", audio(rng))) for name in picked]}
        case 1:
            return {"files": {"a": audio(rng), "b": audio(rng)}, "data": dict.fromkeys(picked, "\x00" * 9)}
        case 2:
            values = [None, -1, 1e308, "NaN", [], {}, [[[]]], True, base64.b64encode(audio(rng)).decode()]
            return {"json": {name: values[rng.integers(len(values))] for name in picked}}
        case 3:
            return {"content": rng.bytes(rng.integers(2000))}
        case 4:
            return {"content": [b'{"a":' * 5000, b"[" * 50_000, b'"' + b"\\u0000" * 9000, b"\xff\xfe"][rng.integers(4)]}
    return {"files": {"audio": audio(rng)}}


def ask(client, rng) -> int | None:
    """Send a request, which is answered with words, and return its status; None where no client would send it."""
    verb, path = VERBS[rng.integers(len(VERBS))], PATHS[rng.integers(len(PATHS))]
    try:
        given = body(rng) if verb in ("POST", "PATCH", "PUT") else {}
        request = client.build_request(verb, path, headers=headers(rng), **given)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        return None
    try:
        response = client.send(request)
    except httpx.LocalProtocolError:
        return None
    except httpx.RemoteProtocolError as error:
        raise AssertionError(f"no answer to {verb} {path} {request.headers}") from error
    told = f"{verb} {path} {dict(request.headers)}: {response.status_code} {response.text[:500]}"
    assert response.status_code < 600, told
    assert "Traceback" not in response.text, told
    if response.status_code >= 400 and verb != "HEAD":
        if response.status_code == 400 and "Invalid HTTP request" in response.text:
            return 400
        assert "expected" in response.json()["error"], told
        assert response.status_code != 500, told
    return response.status_code


def send_raw(host, port, rng) -> None:
    """Send what is no HTTP, or half of it, and go."""
    head = f"POST /v1/verify HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKENS['verify']}\r\n".encode()
    sent = [
        rng.bytes(300),
        head + b"Content-Length: 100000000\r\n\r\n",
        head + b"Content-Length: 1000000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x",
        head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        head + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        head + b"X-\xff: \xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        head[:-20],
    ][rng.integers(9)]
    with socket.create_connection((host, port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            connection.settimeout(float(rng.uniform(0.0, 0.3)) or None)
            connection.recv(1000)
        except (TimeoutError, ConnectionError):
            pass


def stream(url, rng) -> None:
    """Open a stream, and send rubbish."""
    begin = [
        "x",
        "[]",
        "{}",
        '{"speaker": "eve"}',
        '{"audio": "AAAA"}',
        json.dumps({"audio": base64.b64encode(wav(0)).decode()}),
    ]
    token = [*TOKENS.values(), "guess"][rng.integers(4)]
    told = {"additional_headers": {"Authorization": f"Bearer {token}"}, "proxy": None, "open_timeout": 60}
    try:
        with connect(f"{url.replace('http', 'ws', 1)}/v1/stream", **told) as opened:
            opened.send(begin[rng.integers(len(begin))])
            for _ in range(rng.integers(4)):
                opened.send([rng.bytes(3), rng.bytes(2000), "{", bytes(500_000)][rng.integers(4)])
            if rng.integers(2):
                opened.recv(timeout=60)
    except WebSocketException:
        pass


@pytest.mark.slow
def test_ten_thousand_hostile_requests_harm_nobody(served):
    address = urlsplit(served.url)
    replicas = {pid for pid in children(os.getpid()) if b"ServeReplica" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    assert len(replicas) == 6, "two for requests, and one of each other kind"
    stop, statuses, answers = threading.Event(), [], Counter()

    def behave():
        with served.client("verify") as client:
            while not stop.is_set():
                statuses.append(client.post("/v1/verify", **GOOD).status_code)

    def harm(seed):
        rng = np.random.default_rng(seed)
        with httpx.Client(base_url=served.url, timeout=120, trust_env=False) as client:
            for _ in range(NUM_REQUESTS // NUM_CALLERS):
                match rng.integers(20):
                    case 0:
                        send_raw(address.hostname, address.port, rng)
                    case 1:
                        stream(served.url, rng)
                    case _:
                        answers[ask(client, rng)] += 1

    with ThreadPoolExecutor(NUM_CALLERS + 1) as pool:
        good = pool.submit(behave)
        try:
            for each in [pool.submit(harm, seed) for seed in range(NUM_CALLERS)]:
                each.result()
        finally:
            stop.set()
        good.result()
    assert {200, 401, 403, 404, 405, 415, 422} <= answers.keys(), answers
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) > len(statuses) / 2
    assert replicas <= set(children(os.getpid())), "none has died"
    with served.client() as client:
        for row in client.get("/v1/speakers").json()["recordings"]:
            client.delete(f"/v1/speakers/{row['speaker']}")
