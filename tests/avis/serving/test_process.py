"""The service as one process: started by its script, asked, and ended by a signal."""

import os
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
START_S = 300.0


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(parts, tmp_path, told):
    write_folder(str(tmp_path / "verifier"), parts)
    port = free_port()
    command = [sys.executable, str(SCRIPT), f"verifier={tmp_path}/verifier", f"port={port}", f"output_dir={tmp_path}"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"AVIS_TOKEN": "t" * 20})
    assert started.stdout is not None
    try:
        give_up = time.monotonic() + START_S
        while not (line := started.stdout.readline()).startswith("serving "):
            assert line, "it has ended"
            assert time.monotonic() < give_up
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            assert client.post("/v1/verify", files={"a": wav(0), "b": wav(1)}).status_code == 401
            bearer = {"Authorization": f"Bearer {'t' * 20}"}
            answer = client.post("/v1/verify", files={"a": wav(0), "b": wav(1)}, headers=bearer)
            assert answer.json()["outcome"] in ("match", "no_match", "unsure")
        started.send_signal(told)
        out, _ = started.communicate(timeout=60)
        assert (started.returncode, out.splitlines()[-1]) == (0, "stopped")
        assert '"action": "verify"' in (tmp_path / "audit.jsonl").read_text()
    finally:
        started.kill()
