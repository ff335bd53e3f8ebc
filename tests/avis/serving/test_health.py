"""What says for a container whether the service in it is well."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from avis.serving import health
from avis.serving.health import is_well, url_of
from avis.serving.settings import Settings
from tests.avis.serving.conftest import free_port


@pytest.fixture
def answered() -> Iterator[tuple[str, list[int]]]:
    """Answer with the first status in a list; return the URL, and that list."""
    statuses = [200]

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses[0] if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/readyz", statuses
        server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ([], "http://127.0.0.1:8000/readyz"),
        (["tini", "--", "avis", "serve", "verifier=/model", "host=0.0.0.0", ""], "http://127.0.0.1:8000/readyz"),
        (["host=0.0.0.0", "port=9000", "++port=9001"], "http://127.0.0.1:9001/readyz"),
        (["host='::'", "port=8443", "tls.certificate=/c.pem", "tls.key=/k.pem"], "https://[::1]:8443/readyz"),
        (["host=10.1.2.3", "tls.key=null"], "http://10.1.2.3:8000/readyz"),
        (["host=localhost"], "http://localhost:8000/readyz"),
    ],
)
def test_it_asks_where_the_service_was_told_to_listen(arguments, url):
    assert url_of(arguments) == url


def test_it_knows_where_a_service_listens_that_was_told_nothing():
    settings = Settings(verifier="v", gallery="g")
    assert (settings.host, str(settings.port)) == (health.HOST, health.PORT)


def test_well_is_who_says_so(answered, monkeypatch, capsys):
    url, statuses = answered
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")  # which is not asked
    assert is_well(url)
    statuses[0] = 503
    assert not is_well(url)
    assert not is_well(f"http://127.0.0.1:{free_port()}/readyz")
    refused, nobody = capsys.readouterr().err.splitlines()
    assert "503" in refused
    assert "refused" in nobody


def test_it_ends_as_a_health_check_does(answered, tmp_path, monkeypatch):
    url, statuses = answered
    monkeypatch.setattr(health, "FIRST_PROCESS", tmp_path / "cmdline")
    (tmp_path / "cmdline").write_text(f"avis\0serve\0port={urlsplit(url).port}\0")
    for statuses[0], status in ((200, 0), (503, 1)):
        with pytest.raises(SystemExit) as ended:
            health.main()
        assert ended.value.code == status


def test_it_loads_little():
    code = f"import sys, {health.__name__}; sys.exit(bool({{'numpy', 'pydantic', 'ray', 'torch'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
