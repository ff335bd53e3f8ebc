"""The gate, around an application that reads what it is sent and says so."""

import asyncio
import json

import pytest

from avis.serving.gate import Gate
from avis.serving.measures import Measures
from avis.serving.settings import Limits
from avis.serving.tokens import Caller, Tokens

TOKEN = "a-token-long-enough"
TOKENS = Tokens({TOKEN: Caller("desk", frozenset(["verify"]))})
BEARER = ("authorization", f"Bearer {TOKEN}")


async def reader(scope, receive, send):
    got, more = b"", True
    while more:
        message = await receive()
        got, more = got + message["body"], message.get("more_body", False)
    if got == b"slow":
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send(
        {"type": "http.response.body", "body": f"{getattr(scope.get('caller'), 'name', 'nobody')} {len(got)}".encode()}
    )


def gate(tokens=TOKENS, **limits):
    return Gate(reader, tokens=tokens, limits=Limits(**limits), measures=Measures("one"))


async def asked(of, *headers, body=(b"",), path="/v1/verify", host="127.0.0.1:8000"):
    """Return status, headers and body of an answer."""
    left, sent = list(body), []

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": [(k.encode(), v.encode()) for k, v in (("host", host), *headers)]}
    await of(scope, receive, send)
    answered = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:]).decode()


def ask(of, *headers, **more):
    return asyncio.run(asked(of, *headers, **more))


def test_who_has_a_token_is_let_in_by_name():
    assert ask(gate(), BEARER, body=(b"abc", b"de")) == (200, {}, "desk 5")
    assert ask(gate(), ("authorization", f"bearer  {TOKEN} "))[0] == 200


@pytest.mark.parametrize("given", [(), (("authorization", "Bearer"),), (("authorization", f"Basic {TOKEN}"),),
                                   (("authorization", f"Bearer {TOKEN}x"),), (("cookie", TOKEN),)])  # fmt: skip
def test_who_has_none_is_not(given):
    status, headers, body = ask(gate(), *given)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(body)["error"].startswith("token not known: got none or another, expected")
    assert TOKEN not in body


def test_without_tokens_this_machine_alone_is_let_in():
    open_gate = gate(Tokens({}))
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert ask(open_gate, host=host) == (200, {}, "anyone 0")
    for host in ("example.org", "127.0.0.1.example.org:8000", "10.0.0.1", "[", ""):  # as by DNS rebinding
        assert ask(open_gate, host=host)[0] == 403
    assert ask(gate(), BEARER, host="example.org")[0] == 200


@pytest.mark.parametrize(("origin", "status"), [("http://127.0.0.1:8000", 200), ("http://127.0.0.1:9000", 403),
                                                ("https://example.org", 403), ("null", 403),
                                                ("http://[", 403)])  # fmt: skip
def test_pages_of_other_hosts_are_refused(origin, status):
    for of in (gate(), gate(Tokens({}))):
        assert ask(of, BEARER, ("origin", origin))[0] == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_what_tells_of_nobody_is_open(path):
    assert ask(gate(), path=path) == (200, {}, "nobody 0")


def test_too_large_a_body_is_refused_by_what_it_says_and_by_what_comes():
    small = gate(upload_mb=0.00001)  # 10 bytes
    assert ask(small, BEARER, body=(b"12345", b"67890"))[0] == 200
    assert ask(small, BEARER, ("content-length", "11"), body=())[0] == 413
    status, _, body = ask(small, BEARER, body=(b"12345", b"678901"))
    assert status == 413
    assert json.loads(body)["error"].startswith("request too large: got more than 1e-05 MB, expected less. At the")


def test_too_many_requests_of_a_token_are_refused_with_when_to_come_back():
    slow = gate(requests_per_s=0.5, burst=2.0)
    assert [ask(slow, BEARER)[0] for _ in range(2)] == [200, 200]
    status, headers, _ = ask(slow, BEARER)
    assert (status, headers["retry-after"]) == (429, "2")


def test_tokens_that_are_not_known_are_tried_no_faster():
    slow = gate(requests_per_s=0.5, burst=2.0)
    tried = [ask(slow, ("authorization", f"Bearer guess-{number}"))[0] for number in range(4)]
    assert tried == [401, 401, 429, 429]
    assert ask(slow, BEARER)[0] == 200


def test_too_many_at_once_are_refused_before_they_are_read():
    full = gate(in_flight=2, timeout_s=0.2)

    async def several():
        return await asyncio.gather(*(asked(full, BEARER, body=(b"slow",)) for _ in range(3)))

    statuses = [status for status, _, _ in asyncio.run(several())]
    assert sorted(statuses) == [429, 503, 503]
    assert ask(full, BEARER)[0] == 200, "there is room again"


def test_no_token_takes_all_places():
    other = Caller("other", frozenset(["verify"]))
    of = gate(Tokens({TOKEN: Caller("desk", frozenset(["verify"])), "another-long-token": other}), in_flight=4)

    async def several():
        slow = [asyncio.create_task(asked(of, BEARER, body=(b"slow",))) for _ in range(3)]
        await asyncio.sleep(0.05)
        third = slow[2].result()
        answer = await asked(of, ("authorization", "Bearer another-long-token"))
        for each in slow[:2]:
            each.cancel()
        return third, answer

    (status, _, body), answer = asyncio.run(several())
    assert (status, answer) == (429, (200, {}, "other 0"))
    assert json.loads(body)["error"].startswith("too busy: got more than 4 at once, or 2 of one token")


def test_a_body_that_comes_too_slowly_is_not_waited_for():
    async def never():
        await asyncio.sleep(60)

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), tuple(each.encode() for each in BEARER)]
    scope = {"type": "http", "path": "/v1/verify", "headers": headers}
    asyncio.run(gate(upload_s=0.05)(scope, never, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"].startswith("request too slow: got less than all of it within 0.05 s")


def test_what_takes_too_long_is_ended():
    status, headers, body = ask(gate(timeout_s=0.05), BEARER, body=(b"slow",))
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["error"].startswith("no answer in time: got none within 0.05 s")


def test_requests_are_counted():
    measures = Measures("one")
    of = Gate(reader, tokens=TOKENS, limits=Limits(), measures=measures)
    ask(of, BEARER)
    ask(of)
    text = measures.text().decode()
    assert 'avis_requests_total{replica="one",route="other",status="200"} 1.0' in text
    assert 'avis_requests_total{replica="one",route="other",status="401"} 1.0' in text
    assert 'avis_requests_in_flight{replica="one"} 0.0' in text


@pytest.mark.parametrize(("asked_for", "answered"), [(["avis", "bearer.another"], "avis"), ([], None)])
def test_a_stream_is_refused_in_words_that_browsers_let_through(asked_for, answered):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/stream", "headers": [(b"host", b"here")], "subprotocols": asked_for}
    asyncio.run(gate()(scope, receive, send))
    accepted, told, closed = sent
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", answered)
    assert json.loads(told["text"])["error"].startswith("token not known")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
