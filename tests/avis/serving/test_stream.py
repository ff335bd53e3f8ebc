"""Streams: chunks in, running verdicts out."""

import base64
import json
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from avis.explain import Explanation
from avis.verifier import Session
from tests.avis.conftest import RATE, talk
from tests.avis.serving.conftest import TOKENS, wav
from tests.avis.serving.test_service import same

VOICE = wav(0, duration_s=6.0)
SPOKEN = (talk(1, duration_s=6.0) * 32767).astype("<i2")


def opened(served, *, token=TOKENS["verify"], **kwargs):
    return connect(
        f"{served.url.replace('http', 'ws')}/v1/stream",
        **{"additional_headers": {"Authorization": f"Bearer {token}"}, "proxy": None} | kwargs,
    )


def until(condition):
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def hear(stream, begin, samples=SPOKEN, *, chunk=4000):
    """Begin a stream, send the samples, end it, and return all that is answered."""
    stream.send(json.dumps(begin))
    for start in range(0, len(samples), chunk):
        stream.send(samples[start : start + chunk].tobytes())
    stream.send('{"end": true}')
    return [json.loads(message) for message in stream]


@pytest.mark.parametrize("channels", [1, 2])
def test_verdicts_are_those_of_a_session(served, channels):
    samples = np.repeat(SPOKEN[:, None], channels, axis=1)
    session = Session(served.verifier, VOICE, min_speech_s=1.0)
    expected = [session.verdict]
    for start in range(0, len(samples), 4000):
        verdict = session.hear(samples[start : start + 4000], RATE)
        expected += [verdict] if verdict is not expected[-1] else []
    expected.append(session.close())
    begin = {"audio": base64.b64encode(VOICE).decode(), "min_speech_s": 1.0, "channels": channels}
    with opened(served) as stream:
        answers = hear(stream, begin, samples)
    assert [answer["final"] for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert len({answer["verdict"]["outcome"] for answer in answers}) > 1
    same([answer["verdict"] for answer in answers], json.loads(json.dumps([each.plain() for each in expected])))


def test_a_stream_against_somebody_who_is_enrolled_ends_with_the_reasons(served):
    with served.client() as client:
        taken = client.post("/v1/speakers/otto", files={"audio": VOICE}, data={"all": "true"})
        assert taken.status_code == 200, taken.text
        with opened(served) as stream:
            *running, final, reasons = hear(stream, {"speaker": "otto", "reasons": True})
        client.delete("/v1/speakers/otto")
    assert running[0]["verdict"]["outcome"] == "not_heard"
    assert final["final"]
    record = Explanation.model_validate(reasons["explanation"])
    assert record.llr == pytest.approx(final["verdict"]["llr"], abs=1e-3)
    line = json.loads(served.audit.read_text().splitlines()[-2])
    assert (line["who"], line["action"], line["speaker"]) == ("verify", "stream", "otto")


def test_a_verdict_stands_where_there_are_no_reasons(served):
    begin = {"audio": base64.b64encode(VOICE).decode(), "reasons": True}
    with opened(served) as stream:
        *_, final, reasons = hear(stream, begin, np.tile(SPOKEN, 6), chunk=RATE * 5)
    assert (final["final"], final["verdict"]["outcome"]) == (True, final["verdict"]["outcome"])
    assert reasons["unexplained"].startswith("stream not to be explained: got nothing, or more than 30 s, expected")


def test_a_stream_without_an_end_is_written_down(served):
    lines = len(served.audit.read_text().splitlines())
    with opened(served) as stream:
        stream.send(json.dumps({"audio": base64.b64encode(VOICE).decode()}))
        stream.recv()
    until(lambda: len(served.audit.read_text().splitlines()) > lines)
    assert json.loads(served.audit.read_text().splitlines()[-1])["action"] == "stream"


def test_a_stream_ends_within_a_second_when_its_voice_is_removed(served):
    with served.client() as client, opened(served) as stream:
        client.post("/v1/speakers/otto", files={"audio": VOICE}, data={"all": "true"})
        stream.send(json.dumps({"speaker": "otto"}))
        assert not json.loads(stream.recv())["final"]
        client.delete("/v1/speakers/otto")
        removed_at = time.monotonic()
        stream.send(SPOKEN[:1600].tobytes())  # too short for a verdict
        assert json.loads(stream.recv(timeout=5))["error"].startswith("enrolled no longer: got 'otto'")
        assert time.monotonic() - removed_at < 1.5, "a second, and what a busy machine adds"


@pytest.mark.parametrize(
    ("begin", "error"),
    [
        ("x", "no JSON object"),
        ('{"speaker": "nobody"}', "nobody of that name"),
        ("{}", "nobody to compare with"),
        ('{"audio": "AAAA"}', "unreadable: "),
        ('{"speaker": "x", "rate": 8000}', "request not understood: got another rate"),
        ('{"speaker": "x", "sample_rate": 1e9}', "request not understood: got another sample_rate"),
        (b"\0\0", "no JSON object"),
    ],
)
def test_a_stream_that_begins_otherwise_is_told_why_it_ends(served, begin, error):
    with opened(served) as stream:
        stream.send(begin)
        assert json.loads(stream.recv())["error"].startswith(error)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv()
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("chunk", [b"odd", bytes(16000 * 2 * 11), "[]", '{"end": false}'])
def test_a_chunk_that_is_none_ends_the_stream_with_words(served, chunk):
    with opened(served) as stream:
        stream.send(json.dumps({"audio": base64.b64encode(VOICE).decode()}))
        stream.recv()
        stream.send(chunk)
        assert "expected" in json.loads(stream.recv())["error"]


def test_a_token_is_asked_for(served):
    for token in ("of-bad-news", TOKENS["enrol"]):
        with opened(served, token=token) as stream:
            assert json.loads(stream.recv())["error"].startswith("token ")
            with pytest.raises(ConnectionClosed):
                stream.recv()
    with opened(served, additional_headers={}, subprotocols=["avis", f"bearer.{TOKENS['verify']}"]) as stream:
        assert stream.subprotocol == "avis"
        stream.send("{}")
        assert json.loads(stream.recv())["error"].startswith("nobody to compare with")


def test_pages_of_other_hosts_get_no_stream(served):
    with opened(served, origin="https://example.org") as stream:
        assert json.loads(stream.recv())["error"].startswith("page of another host")
