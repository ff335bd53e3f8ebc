"""The client, against a service, and against servers that are busy, away or gone."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from avis import client as client_module
from avis.client import AsyncClient, Client, ServiceError
from avis.verifier import Session
from tests.avis.conftest import RATE, talk
from tests.avis.serving.conftest import TOKENS, free_port, wav

A, B = wav(0), wav(1)


@pytest.fixture
def service(served):
    with Client(served.url, token=TOKENS["admin"]) as made:
        yield made


def test_answers_are_the_objects_of_the_verifier(served, service, tmp_path):
    verdict, expected = service.verify(A, B), served.verifier.verify(A, B)
    assert (type(verdict), str(verdict), verdict.warnings) == (type(expected), str(expected), expected.warnings)
    assert verdict.llr == pytest.approx(expected.llr, abs=1e-5)
    (tmp_path / "b.wav").write_bytes(B)
    for given in (tmp_path / "b.wav", (talk(1), RATE), ((talk(1) * 32767).astype(np.int16), RATE)):
        alone = served.verifier.verify(A, given)
        assert service.verify(A, given).llr == pytest.approx(alone.llr, abs=1e-5)
    np.testing.assert_allclose(service.embed(B).embedding, served.verifier.embed(B).embedding, atol=1e-5)
    assert service.explain([A], B, quick=True).outcome == verdict.outcome


def test_people_are_looked_after(service):
    made = service.enroll("zoë & co/1", [wav(0, duration_s=6.0)], consent="by letter", all_of_them=True)
    assert (made.speaker, made.taken) == ("zoë & co/1", ("recording 1",))
    assert [(row["speaker"], row["consent"]) for row in service.list()] == [("zoë & co/1", "by letter")]
    assert [each.speaker for each in service.identify(A, most=1).candidates] == ["zoë & co/1"]
    service.rename("zoë & co/1", "zoe")
    assert service.remove("zoe") == 1
    with pytest.raises(ServiceError, match="nobody of that name: got zoe") as refused:
        service.remove("zoe")
    assert refused.value.status == 404


def chunks_of(samples, size=4000):
    return (samples[start : start + size] for start in range(0, len(samples), size))


@pytest.mark.slow
def test_a_stream_gives_verdicts_as_they_come_and_then_the_reasons(served, service):
    spoken = (talk(1, duration_s=6.0) * 32767).astype(np.int16)
    session = Session(served.verifier, A, min_speech_s=1.0)
    expected = [session.verdict]
    for chunk in chunks_of(spoken):
        verdict = session.hear(chunk, RATE)
        expected += [verdict] if verdict is not expected[-1] else []
    expected.append(session.close())
    told = {"sample_rate": RATE, "audio": A, "min_speech_s": 1.0}
    *verdicts, reasons = service.stream(chunks_of(spoken), reasons=True, **told)
    assert [str(verdict) for verdict in verdicts] == [str(verdict) for verdict in expected]
    assert reasons.llr == pytest.approx(verdicts[-1].llr, abs=1e-3)

    async def awaited():
        return [verdict async for verdict in AsyncClient(service).stream(chunks_of(np.c_[spoken, spoken]), **told)]

    assert str(asyncio.run(awaited())[-1]) == str(expected[-1])


def test_a_stream_that_nobody_awaits_any_longer_ends(served, service):
    spoken, sent = (talk(1, duration_s=60.0) * 32767).astype(np.int16), []

    def slowly():
        for chunk in chunks_of(spoken):
            time.sleep(0.02)
            sent.append(chunk)
            yield chunk

    async def leaves():
        running = AsyncClient(service).stream(slowly(), sample_rate=RATE, audio=A)
        hearing = asyncio.create_task(anext(running))
        await hearing
        hearing = asyncio.create_task(anext(running))
        await asyncio.sleep(0.1)
        hearing.cancel()
        await asyncio.wait([hearing])

    asyncio.run(leaves())
    assert len(sent) < len(spoken) / 4000


def test_a_stream_that_comes_to_nothing_says_why(service):
    spoken = (talk(1) * 32767).astype(np.int16)
    told = {"sample_rate": RATE, "audio": A}
    with pytest.raises(ServiceError, match="nobody of that name: got 'nobody'"):
        list(service.stream([spoken], sample_rate=RATE, speaker="nobody"))
    with pytest.raises(ValueError, match="no chunk: got samples of float64, expected int16"):
        list(service.stream([spoken, spoken * 1.0], **told))
    with pytest.raises(ServiceError, match="stream not to be explained: got nothing"):
        list(service.stream([], reasons=True, **told))
    with pytest.raises(ServiceError, match="stream broke off: got ConnectionRefusedError"):
        list(Client(f"http://127.0.0.1:{free_port()}").stream([spoken], **told))


def test_it_can_be_awaited(served):
    async def both():
        async with AsyncClient(Client(served.url, token=TOKENS["verify"])) as service:
            return await asyncio.gather(service.verify(A, B), service.verify(A, A))

    assert [verdict.llr for verdict in asyncio.run(both())] == pytest.approx(
        [served.verifier.verify(A, other).llr for other in (B, A)], abs=1e-5
    )


@pytest.fixture
def answering(monkeypatch):
    """Return what starts a server with these answers, one after the other, and a list of what it was asked."""
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.01)
    servers = []

    def started(*answers):
        asked, left = [], list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_DELETE(self):
                asked.append(self.path)
                status, headers = left.pop(0)
                if status is None:
                    self.connection.close()
                    return
                body = json.dumps({"error": "too busy: got ..."} if status != 200 else {"num_recordings": 1}).encode()
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.do_DELETE()

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}", asked

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_busy_service_is_asked_again_after_as_long_as_it_says(answering, monkeypatch):
    waited = []
    monkeypatch.setattr(client_module.time, "sleep", waited.append)
    url, asked = answering((429, {"Retry-After": "7"}), (429, {"Retry-After": "900"}), (429, {}), (200, {}))
    assert Client(url).remove("anna") == 1
    assert len(asked) == 4
    assert waited[:2] == [7.0, client_module.MOST_WAIT_S]
    assert 0.01 < waited[2] < 0.05


def test_a_change_that_may_have_been_made_is_not_asked_for_again(answering):
    for status in (503, None):
        url, asked = answering((status, {}), (200, {}))
        with pytest.raises(ServiceError) as refused:
            Client(url).remove("anna")
        assert (len(asked), refused.value.status) == (1, status or 0)


def test_it_gives_up_with_the_words_of_the_service(answering):
    url, asked = answering(*[(503, {})] * 3)
    with pytest.raises(ServiceError, match="too busy"):
        Client(url, tries=3).list()
    assert len(asked) == 3
    url, asked = answering((502, {}), (504, {}), (500, {}))  # of a proxy, and of a bug
    with pytest.raises(ServiceError) as refused:
        Client(url).list()
    assert (len(asked), refused.value.status) == (3, 500)
    with pytest.raises(ServiceError, match="service not reached: got ConnectError"):
        Client(f"http://127.0.0.1:{free_port()}", tries=2).remove("anna")
