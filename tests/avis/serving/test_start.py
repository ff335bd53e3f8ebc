"""What is refused before anything is started."""

import socket

import pytest
from ray.serve import Application

from avis.serving.application import build
from avis.serving.settings import Settings
from avis.serving.start import free_port_of, serving
from avis.serving.tokens import VARIABLE
from avis.verifier.folder import write_folder
from tests.avis.serving.conftest import free_port


@pytest.fixture(autouse=True)
def _no_token(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def refused(**settings) -> str:
    with pytest.raises(ValueError, match=", expected ") as error, serving(Settings(**settings)):
        pass
    return str(error.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_others_may_not_reach_it_without_tokens(host):
    told = refused(verifier="none", gallery="none", host=host)
    assert told.startswith(f"no tokens: got none for host={host}, which others can reach")


def test_on_this_machine_it_warns(capsys):
    assert refused(verifier="none", gallery="none", port=free_port()).startswith("no model: ")
    assert capsys.readouterr().out.startswith("warning: no tokens: everybody on this machine may verify")


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port={port}" in refused(verifier="none", gallery="none", port=port)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"port": 70_000}, "port=70000"),
        ({"limits": {"upload_mb": -1}}, "limits.upload_mb=-1"),
        ({"limits": {"upload_mb": float("inf")}}, "limits.upload_mb=inf"),
        ({"limits": {"uploads": 1}}, "limits.uploads=1"),
        ({"limit": {"upload_mb": 1}}, "limit="),
        ({"audit": "s3://bucket/audit.jsonl"}, "lines can be added to local files alone"),
        ({"tls": {"certificate": "a.pem"}}, "a certificate goes with its key"),
        ({"replicas": {"models": [2]}}, "replicas.models"),
        ({"replicas": {"models": [2, 1]}}, "the fewest are no more than the most"),
    ],
)
def test_settings_that_do_not_fit_are_named(changed, named):
    with pytest.raises(ValueError, match="wrong value: got ") as error:
        Settings.of({"verifier": "a", "gallery": "b"} | changed)
    assert named in str(error.value)


def test_any_port_is_a_free_one():
    port = free_port_of(Settings(verifier="none", gallery="none", port=0))
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.fixture
def on_a_cluster(parts, tmp_path, monkeypatch):
    """Return the arguments of a cluster's service."""
    write_folder(str(tmp_path / "verifier"), parts)
    monkeypatch.setenv(VARIABLE, "a-token-long-enough")
    return {"verifier": str(tmp_path / "verifier"), "gallery": str(tmp_path / "gallery"), "audit": "none"}


def test_a_cluster_builds_it_of_plain_data(on_a_cluster, tmp_path):
    assert isinstance(build(on_a_cluster), Application)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="wrong value: got replica="):
        build(on_a_cluster | {"replica": {}})


def test_what_replicas_would_fail_over_is_found_before(on_a_cluster, tmp_path):
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="gallery"):
        build(on_a_cluster)
    with pytest.raises(ValueError, match="no audit log: got File exists, expected"):
        build(on_a_cluster | {"gallery": str(tmp_path / "new"), "audit": "/dev/null/audit.jsonl"})
