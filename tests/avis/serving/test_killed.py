"""Replicas that are killed, or replaced by those of another model, while others are served."""

import dataclasses
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import torch
from ray import serve

from avis.serving.application import application
from avis.serving.settings import Settings
from avis.serving.start import APP
from avis.serving.tokens import Tokens
from avis.verifier import Verifier
from avis.verifier.folder import write_folder
from tests.avis.serving.conftest import children, wav

PAIRS = [(wav(2 * number), wav(2 * number + 1)) for number in range(4)]
TOLD = {429, 500, 503}
"""What a request may be answered that was lost: by the service, or by Ray's proxy where a replica died with it."""
BACK_WITHIN_S = 300.0


def replicas_of(kind: str) -> list[int]:
    names = {pid: Path(f"/proc/{pid}/cmdline") for pid in children(os.getpid())}
    return [pid for pid, name in names.items() if name.exists() and f"{APP}:{kind}".encode() in name.read_bytes()]


class Load:
    """People who verify and enrol without a pause, and what they were answered."""

    def __init__(self, served) -> None:
        self.served, self.stop = served, threading.Event()
        self.verdicts, self.enrolled = list[tuple[int, int, dict]](), list[tuple[int, str]]()

    def __enter__(self) -> "Load":
        self.pool = ThreadPoolExecutor(3)
        self.running = [self.pool.submit(work) for work in (self.verify, self.verify, self.enrol)]
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        for each in self.running:
            each.result()
        self.pool.shutdown()

    def verify(self) -> None:
        with self.served.client() as client:
            number = 0
            while not self.stop.is_set():
                a, b = PAIRS[number % len(PAIRS)]
                answer = asked(client, "/v1/verify", files={"a": a, "b": b})
                self.verdicts.append((number % len(PAIRS), *answer))
                number += 1

    def enrol(self) -> None:
        with self.served.client() as client:
            number = 0
            while not self.stop.is_set():
                status, _ = asked(
                    client, f"/v1/speakers/person {number}", files={"audio": wav(number)}, data={"all": "true"}
                )
                self.enrolled.append((status, f"person {number}"))
                number += 1

    def settle(self) -> None:
        """Wait until all is answered again, for a while."""
        give_up, good = time.monotonic() + BACK_WITHIN_S, 0
        while good < 10:
            assert time.monotonic() < give_up
            seen = len(self.verdicts), len(self.enrolled)
            time.sleep(1.0)
            new = (
                [status for _, status, _ in self.verdicts[seen[0] :]],
                [status for status, _ in self.enrolled[seen[1] :]],
            )
            good = good + 1 if all(new) and {*new[0], *new[1]} <= {200, 429} else 0


def asked(client: httpx.Client, path: str, **request) -> tuple[int, dict]:
    """Return status and answer; 503 where the connection broke, of which the caller is told too."""
    try:
        response = client.post(path, **request)
        return response.status_code, json.loads(response.text) if response.status_code == 200 else {}
    except httpx.TransportError:
        time.sleep(0.1)
        return 503, {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Ingress", "Decoders", "Models", "Explainers", "GalleryWriter"])
def test_a_replica_that_is_killed_loses_nothing_and_errs_nowhere(served, kind):
    expected = [served.verifier.verify(*pair).llr for pair in PAIRS]
    with Load(served) as load:
        load.settle()
        killed = replicas_of(kind)
        assert killed
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        load.settle()
    assert not {*killed} & {*replicas_of(kind)}
    for number, status, verdict in load.verdicts:
        assert status in {200} | TOLD
        assert status != 200 or verdict["llr"] == pytest.approx(expected[number], abs=1e-4)
    with served.client() as client:
        kept = {row["speaker"] for row in client.get("/v1/speakers").json()["recordings"]}
        assert {name for status, name in load.enrolled if status == 200} <= kept
        for name in kept:
            assert client.delete(f"/v1/speakers/{name}").status_code == 200


@pytest.mark.slow
def test_another_model_is_put_in_place_while_it_answers(served, parts, tmp_path):
    noise = torch.Generator().manual_seed(1)
    weights = {
        key: value + 0.05 * torch.randn(value.shape, generator=noise) if value.is_floating_point() else value
        for key, value in parts.checkpoint.weights.items()
    }
    other = dataclasses.replace(
        parts, checkpoint=dataclasses.replace(parts.checkpoint, weights=weights, digest="1" * 64)
    )
    write_folder(str(tmp_path / "verifier"), other)
    verifiers = [served.verifier, Verifier.load(str(tmp_path / "verifier"))]
    before, after = ([verifier.verify(*pair).llr for pair in PAIRS] for verifier in verifiers)
    assert all(abs(one - two) > 0.01 for one, two in zip(before, after, strict=True))
    told = served.settings.model_dump() | {"verifier": str(tmp_path / "verifier"), "gallery": str(tmp_path / "gallery")}
    tokens = Tokens.read(served.settings.tokens)
    try:
        with Load(served) as load:
            load.settle()
            serve.run(application(Settings.of(told), tokens), name=APP)
            load.settle()
            changed = len(load.verdicts)
            load.settle()
        with served.client() as client:
            kept = {row["speaker"] for row in client.get("/v1/speakers").json()["recordings"]}
            assert kept, "of the gallery that the new model has"
    finally:
        serve.run(application(served.settings, tokens), name=APP)
    for at, (number, status, verdict) in enumerate(load.verdicts):
        assert status in {200} | TOLD
        possible = after[number : number + 1] if at >= changed else [before[number], after[number]]
        assert status != 200 or any(verdict["llr"] == pytest.approx(llr, abs=1e-4) for llr in possible)
    with served.client() as client:
        for row in client.get("/v1/speakers").json()["recordings"]:
            client.delete(f"/v1/speakers/{row['speaker']}")
