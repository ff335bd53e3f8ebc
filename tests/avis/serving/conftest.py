"""A service on this machine, of a small verifier with random weights."""

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import soundfile as sf
import yaml

from avis.serving.settings import Limits, Replicas, Settings
from avis.verifier import Verifier
from avis.verifier.folder import write_folder
from tests.avis.conftest import RATE, talk

TOKENS = {scope: f"token-for-{scope}-{'x' * 16}" for scope in ("verify", "enrol", "admin")}


class Served(NamedTuple):
    """A service that runs, and what it is to be compared with."""

    url: str
    verifier: Verifier
    settings: Settings

    @property
    def audit(self) -> Path:
        return Path(str(self.settings.audit))

    def client(self, scope: str = "admin") -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {TOKENS[scope]}"}, timeout=60, trust_env=False
        )


def children(pid: int) -> list[int]:
    """Return the processes below one."""
    own = [int(each) for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]
    return own + [below for each in own for below in children(each)]


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


def wav(seed: int, *, duration_s: float = 3.0, rate: int = RATE, **kwargs) -> bytes:
    """Return a file of somebody who talks."""
    file = io.BytesIO()
    sf.write(file, talk(seed, duration_s=duration_s, rate=rate), rate, **{"format": "WAV"} | kwargs)
    return file.getvalue()


@pytest.fixture(scope="package")
def served(ray_session, parts, tmp_path_factory) -> Iterator[Served]:
    from avis.serving.start import serving

    folder = tmp_path_factory.mktemp("served")
    write_folder(str(folder / "verifier"), parts)
    named = {scope: {"token": token, "scopes": [scope]} for scope, token in TOKENS.items()}
    (folder / "tokens.yaml").write_text(yaml.safe_dump({"tokens": named}))
    os.environ.pop("AVIS_TOKEN", None)
    settings = Settings(
        verifier=str(folder / "verifier"),
        gallery=str(folder / "gallery"),
        port=free_port(),
        tokens=str(folder / "tokens.yaml"),
        audit=str(folder / "audit.jsonl"),
        limits=Limits(
            upload_mb=2.0, recordings=3, audio_s=30.0, channels=2, in_flight=8, requests_per_s=1000.0, burst=1000.0
        ),
        replicas=Replicas(ingress=(2, 2), cpus_per_model=1),
    )
    with serving(settings) as url:
        yield Served(url, Verifier.load(settings.verifier), settings)
