"""The service as one process: started by its script, asked, and ended by a signal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from avis.verifier.folder import write_folder
from tests.avis.serving.conftest import free_port, wav

SCRIPT = Path(__file__).parents[3] / "pipelines" / "serve.py"
START_S = 400.0
TOKEN = "t" * 20
CERTIFY = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=avis -addext"


@pytest.mark.slow
@pytest.mark.parametrize(("told", "tls"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_it_serves_until_it_is_told_to_stop(parts, tmp_path, told, tls):
    write_folder(str(tmp_path / "verifier"), parts)
    port, verify = free_port(), True
    command = [sys.executable, str(SCRIPT), f"verifier={tmp_path}/verifier", f"port={port}", f"output_dir={tmp_path}"]
    if tls:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl to make a certificate with")
        subprocess.run([*CERTIFY.split(), "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, capture_output=True)
        command += [f"tls.certificate={tmp_path}/cert.pem", f"tls.key={tmp_path}/key.pem"]
        verify = str(tmp_path / "cert.pem")
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"AVIS_TOKEN": TOKEN})
    assert started.stdout is not None
    try:
        give_up = time.monotonic() + START_S
        while not (line := started.stdout.readline()).startswith("serving "):
            assert line, "it has ended"
            assert time.monotonic() < give_up
        url = line.split()[3].rstrip(":")
        assert url == f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        asked = {"files": {"a": wav(0), "b": wav(1)}}
        with httpx.Client(base_url=url, trust_env=False, timeout=60, verify=verify) as client:
            assert client.post("/v1/verify", **asked).status_code == 401
            answer = client.post("/v1/verify", headers={"Authorization": f"Bearer {TOKEN}"}, **asked)
            assert answer.json()["outcome"] in ("match", "no_match", "unsure")
        started.send_signal(told)
        out, _ = started.communicate(timeout=60)
        assert (started.returncode, out.splitlines()[-1]) == (0, "stopped")
        assert '"action": "verify"' in (tmp_path / "audit.jsonl").read_text()
    finally:
        started.kill()
