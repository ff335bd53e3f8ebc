"""The service as its users see it: real requests to real replicas."""

import base64
import contextlib
import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import ray

from avis.explain import Explanation
from tests.avis.serving.conftest import TOKENS, children, wav

A, B = wav(0), wav(1)


def same(answer, expected):
    """Compare plain data; numbers to 1e-5."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            same(answer[key], value)
    elif isinstance(expected, list | tuple):
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert answer == pytest.approx(expected, abs=1e-5)
    else:
        assert answer == expected


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def client(served):
    with served.client() as client:
        yield client


@pytest.fixture
def anna(client):
    """Enrol anna, and remove her afterwards if she is still there."""
    response = client.post("/v1/speakers/anna", files={"audio": wav(0, duration_s=6.0)}, data={"all": "true"})
    assert response.status_code == 200, response.text
    yield response.json()
    client.delete("/v1/speakers/anna")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "b",
    [B, wav(1, format="FLAC"), wav(1, rate=44100, format="OGG"), wav(1, format="MP3"), wav(1, rate=8000), A],
    ids=["wav", "flac", "ogg", "mp3", "8 kHz", "the same"],
)
def test_verdicts_are_those_of_the_verifier(served, client, b):
    expected = json.loads(json.dumps(served.verifier.verify(A, b).plain()))
    for response in (
        client.post("/v1/verify", files={"a": A, "b": b}),
        client.post("/v1/verify", json={"a": text(A), "b": text(b)}),
    ):
        assert response.status_code == 200, response.text
        same(response.json(), expected)


def test_nobody_heard_is_an_answer(served, client):
    silence = wav(0)[:44] + bytes(len(A) - 44)
    answer = client.post("/v1/verify", files={"a": A, "b": silence}).json()
    same(answer, json.loads(json.dumps(served.verifier.verify(A, silence).plain())))
    assert answer["outcome"] == "not_heard"


def test_embeddings_are_those_of_the_verifier(served, client):
    answer = client.post("/v1/embed", files={"audio": B}).json()
    expected = served.verifier.embed(B)
    np.testing.assert_allclose(answer.pop("embedding"), expected.embedding, atol=1e-5)
    same(answer, {key: getattr(expected, key) for key in answer})


def test_many_at_once_are_each_answered_as_alone(served):
    durations = [1.0 + 0.37 * number for number in range(8)]
    files = [wav(number, duration_s=duration) for number, duration in enumerate(durations)]

    def ask(file):
        with served.client("verify") as own:
            return own.post("/v1/embed", files={"audio": file}).json()["embedding"]

    with ThreadPoolExecutor(4) as pool:  # half of the places, which is a token's share
        for file, embedding in zip(files, pool.map(ask, files), strict=True):
            np.testing.assert_allclose(embedding, served.verifier.embed(file).embedding, atol=1e-5)


def test_an_explanation_is_a_record_or_a_page(served, client):
    asked = {"files": {"a": A, "b": B}, "data": {"quick": "true", "prior": "0.1"}}
    record = Explanation.model_validate_json(client.post("/v1/explain", **asked).text)
    verdict = served.verifier.verify(A, B)
    assert (record.outcome, record.prior) == (verdict.outcome, 0.1)
    assert record.llr == pytest.approx(verdict.llr, abs=1e-4)
    page = client.post("/v1/explain", headers={"Accept": "text/html"}, **asked)
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.lower().startswith("<!doctype html>")
    assert "data:audio" in page.text


def test_an_enrolled_person_is_explained_too(served, client, anna):
    asked = {"files": {"b": B}, "data": {"speaker": "anna", "quick": "true"}}
    record = Explanation.model_validate_json(client.post("/v1/explain", **asked).text)
    expected = served.verifier.verify(wav(0, duration_s=6.0), B)
    assert (record.outcome, record.llr) == (expected.outcome, pytest.approx(expected.llr, abs=1e-3))
    page = client.post("/v1/explain", headers={"Accept": "text/html"}, **asked)
    assert page.text.lower().startswith("<!doctype html>")
    line = json.loads(served.audit.read_text().splitlines()[-1])
    assert (line["action"], line["speaker"]) == ("explain", "anna")
    for neither in ({"files": {"b": B}}, {"files": {"a": A, "b": B}, "data": {"speaker": "anna"}}):
        told = client.post("/v1/explain", **neither)
        assert (told.status_code, "either recordings as a, or a speaker" in told.text) == (422, True)


def test_people_are_enrolled_listed_named_renamed_and_removed(served, client, anna):
    assert (anna["speaker"], anna["taken"], anna["num_recordings"]) == ("anna", ["recording 1"], 1)
    [row] = client.get("/v1/speakers").json()["recordings"]
    assert (row["speaker"], row["consent"]) == ("anna", None)
    assert not {"embedding", "audio"} & row.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", row["enrolled_at"]), "RFC 3339"
    found = client.post("/v1/identify", files={"audio": A}, data={"most": "1"}).json()
    assert ([each["speaker"] for each in found["candidates"]], found["num_enrolled"]) == (["anna"], 1)
    assert client.patch("/v1/speakers/anna", json={"name": "änne"}).json() == {"speaker": "änne"}
    assert client.delete("/v1/speakers/anna").status_code == 404
    assert client.delete("/v1/speakers/änne").json() == {"speaker": "änne", "num_recordings": 1}
    assert client.get("/v1/speakers").json() == {"recordings": []}
    lines = [json.loads(line) for line in served.audit.read_text().splitlines()]
    told = [(line["who"], line["action"], line["speaker"]) for line in lines[-4:]]
    assert told[0] == ("admin", "enrol", "anna")
    assert told[2:] == [("admin", "rename", "anna"), ("admin", "remove", "änne")]
    assert {line["model"] for line in lines} == {served.verifier.digest}


def test_what_would_spoil_answers_is_not_enrolled(client):
    response = client.post("/v1/speakers/bob", files={"audio": wav(3, duration_s=2.0)})
    assert response.status_code == 422
    assert response.json()["error"].startswith("nothing enrolled: got recording 1: ")
    assert response.json()["refused"].keys() == {"recording 1"}
    both = client.post("/v1/speakers/bob", files=[("audio", wav(3)), ("audio", b"no audio")])
    assert both.status_code == 422
    assert both.json()["error"].endswith("It is recording 2.")
    assert client.get("/v1/speakers").json() == {"recordings": []}


def test_names_that_no_address_ends_with_are_not_given(client, anna):
    for response in (
        client.post("/v1/speakers/%2E%2E", files={"audio": A}),
        client.patch("/v1/speakers/anna", json={"name": ".."}),
    ):
        assert response.status_code in (404, 422), response.text
    assert [row["speaker"] for row in client.get("/v1/speakers").json()["recordings"]] == ["anna"]


def test_where_nobody_is_enrolled_nothing_is_told_of_the_gallery(served, client):
    response = client.post("/v1/identify", files={"audio": A})
    assert response.status_code == 404
    assert response.json()["error"].startswith("nobody is enrolled: got a gallery of no people")
    assert served.settings.gallery not in response.text


@pytest.mark.slow
def test_it_is_ready_while_it_is_busy(served):
    def ask(_):
        with served.client() as own:
            return own.post("/v1/explain", files={"a": wav(0, duration_s=20.0), "b": B}, data={"quick": "true"})

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, number) for number in range(3)]
        time.sleep(0.5)
        assert httpx.get(f"{served.url}/readyz", trust_env=False, timeout=30).text == "ready"
        assert {each.result().status_code for each in asked} == {200}


@pytest.mark.slow
def test_who_is_removed_is_named_by_no_replica_a_second_later(served, client, anna):
    stop, named = False, []

    def ask():
        with served.client("verify") as own:
            while not stop:
                asked_at = time.monotonic()
                response = own.post("/v1/identify", files={"audio": A})
                named.append((asked_at, response.status_code, "anna" in response.text))

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(ask) for _ in range(3)]
        time.sleep(1.0)
        assert client.delete("/v1/speakers/anna").status_code == 200
        removed_at = time.monotonic()
        time.sleep(2.0)
        stop = True
        for each in running:
            each.result()
    assert {(status, there) for at, status, there in named if at < removed_at - 1.0} <= {(200, True), (429, False)}
    assert any(there for _, _, there in named)
    later = [(status, there) for at, status, there in named if at > removed_at + 1.0]
    assert later
    assert not [there for _, there in later if there]


@pytest.mark.few(5)
@pytest.mark.parametrize(
    ("verb", "path", "scopes"),
    [
        ("POST", "/v1/verify", {"verify", "admin"}),
        ("POST", "/v1/embed", {"verify", "admin"}),
        ("POST", "/v1/identify", {"verify", "admin"}),
        ("POST", "/v1/explain", {"verify", "admin"}),
        ("GET", "/v1/calibration", {"verify", "admin"}),
        ("GET", "/v1/speakers", {"enrol", "admin"}),
        ("POST", "/v1/speakers/anna", {"enrol", "admin"}),
        ("PATCH", "/v1/speakers/anna", {"enrol", "admin"}),
        ("DELETE", "/v1/speakers/anna", {"enrol", "admin"}),
        ("GET", "/metrics", {"admin"}),
    ],
)
def test_each_endpoint_is_for_its_tokens_alone(served, verb, path, scopes):
    for scope in TOKENS:
        with served.client(scope) as client:
            status = client.request(verb, path).status_code
            assert (status == 403) == (scope not in scopes), (scope, status)
    refused = httpx.request(verb, f"{served.url}{path}", headers={"Authorization": "Bearer of-bad-news"})
    assert refused.status_code == 401
    assert refused.json()["error"].startswith("token not known: got none or another, expected")


HOSTILE = {
    "nothing": ({}, 415),
    "no recordings": ({"data": {"x": "y"}}, 415),
    "text for audio": ({"files": {"a": A, "b": b"not audio at all"}}, 422),
    "an empty file": ({"files": {"a": A, "b": b""}}, 422),
    "cut off": ({"files": {"a": A, "b": B[:-1000]}}, 422),
    "one is missing": ({"files": {"a": A}}, 422),
    "one too many": ({"files": {"a": A, "b": B, "c": B}}, 422),
    "twice the same": ({"files": [("a", A), ("a", A), ("b", B)]}, 422),
    "too many": ({"files": [("a", A), ("a", A), ("b", B), ("b", B)]}, 422),
    "too long": ({"files": {"a": A, "b": wav(2, duration_s=31.0)}}, 413),
    "too large": ({"files": {"a": A, "b": bytes(3_000_000)}}, 413),
    "no JSON": ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422),
    "many values": (
        {"content": b'{"b":"","a":[' + b"0," * 100_000 + b"0]}", "headers": {"Content-Type": "application/json"}},
        422,
    ),
    "many fields": ({"json": {f"field {number}": 0 for number in range(1000)}}, 422),
    "no letters of its own": (
        {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"}},
        422,
    ),
    "deep JSON": ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 422),
    "no base64": ({"json": {"a": text(A), "b": "ü"}}, 422),
    "a number": ({"json": {"a": text(A), "b": 7}}, 422),
    "a form cut off": (
        {
            "content": b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nRIFF',
            "headers": {"Content-Type": "multipart/form-data; boundary=x"},
        },
        422,
    ),
    "no form": ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 422),
    "another type": ({"content": A, "headers": {"Content-Type": "audio/wav"}}, 415),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused_with_words_and_harms_nobody(client, name):
    request, status = HOSTILE[name]
    response = client.post("/v1/verify", **request)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    assert "expected " in response.json()["error"]
    assert "Traceback" not in response.text
    assert client.post("/v1/verify", files={"a": A, "b": B}).status_code == 200


def test_there_is_no_other_endpoint(client):
    for response in (client.get("/v1/nothing"), client.get("/v1/verify"), client.delete(f"/v1/speakers/{'x' * 300}")):
        assert response.status_code in (404, 405, 422)
        assert "expected" in response.json()["error"]


@pytest.mark.slow
def test_more_than_there_is_room_for_is_sent_away_with_when_to_come_back(served):
    def ask(number):
        with served.client("verify") as own:
            return own.post("/v1/verify", files={"a": A, "b": wav(number)})

    with ThreadPoolExecutor(40) as pool:
        responses = list(pool.map(ask, range(40)))
    assert {response.status_code for response in responses} == {200, 429}
    for response in responses:
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["error"].startswith("too busy: got more ")


def test_a_decoder_that_is_killed_costs_no_answer(client):
    decoders = [
        pid for pid in children(os.getpid()) if b"decoding_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert decoders
    for pid in decoders:
        os.kill(pid, signal.SIGKILL)
    assert client.post("/v1/verify", files={"a": A, "b": B}).status_code == 200


def test_it_says_what_it_is(served, client):
    told = client.get("/v1/calibration").json()
    assert (told["model"], told["threshold"]) == (served.verifier.digest, served.verifier.threshold)
    assert told["calibration"]["num_speakers"] == 30
    bare = httpx.Client(base_url=served.url, trust_env=False)
    assert (bare.get("/healthz").text, bare.get("/readyz").text) == ("alive", "ready")
    about = bare.get("/openapi.json").json()
    assert about["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert about["paths"]["/v1/verify"]["post"]["security"] == [{"HTTPBearer": []}]
    paths = about["paths"]
    page = bare.get("/docs").text
    assert [path for path in paths if path not in page] == []
    assert "/v1/stream" in page
    assert page.count("One or several.") == 2, "of enrolling and explaining"
    assert "http" not in page.replace("<!doctype html>", ""), "nothing is fetched from elsewhere"
    figures = client.get("/metrics").text
    assert 'route="/v1/verify",status="200"' in figures


def test_what_is_logged_holds_no_audio_and_no_embedding(served, client):
    embedding = client.post("/v1/embed", json={"audio": text(A)}).json()["embedding"]
    client.post("/v1/embed", json={"audio": text(A)[:-7]})
    client.post("/v1/embed", files={"audio": A[:-1000]})
    folder = Path(
        ray.get_runtime_context().get_session_dir()
        if False
        else ray._private.worker._global_node.get_session_dir_path()
    )
    logged = b"".join(file.read_bytes() for file in folder.glob("logs/**/*") if file.is_file())
    assert b"serve" in logged
    for secret in (
        A[1000:1016],
        text(A)[1000:1040].encode(),
        str(embedding[0])[:9].encode(),
        *map(str.encode, TOKENS.values()),
    ):
        assert secret not in logged
    lines = [json.loads(line) for line in served.audit.read_text().splitlines()]
    assert {key for line in lines for key in line} <= {"at", "who", "action", "outcome", "model", "speaker"}


@pytest.mark.slow
def test_an_enrolment_whose_client_hangs_up_is_written_down(served, client):
    name = f"gone {time.monotonic_ns()}"
    with contextlib.suppress(httpx.ReadTimeout):
        client.post(f"/v1/speakers/{name}", files={"audio": wav(0, duration_s=29.0)}, data={"all": "true"}, timeout=0.1)
    time.sleep(3.0)

    def kept():
        return [row["speaker"] for row in client.get("/v1/speakers").json()["recordings"]]

    assert (name in kept()) == (f'"speaker": "{name}"' in served.audit.read_text())
    client.delete(f"/v1/speakers/{name}")
