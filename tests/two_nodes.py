"""A cluster of two nodes on this machine, used as a user would: `ray start`, `ray job submit`, `ray job logs`."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
RAY = str(Path(sys.executable).with_name("ray"))
START_TIMEOUT_S = 120
JOB_TIMEOUT_S = 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], Any], timeout_s: float, what: Callable[[], str]) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := ready()):
        assert time.monotonic() < deadline, f"after {timeout_s} s no {what()}"
        time.sleep(0.2)
    return value


class Node:
    """One `ray start`, in a process group of its own, which alone is ended with it: `ray stop` would end every Ray."""

    def __init__(self, cluster: "TwoNodes", *arguments: str) -> None:
        command = [RAY, "start", "--block", "--disable-usage-stats", "--object-store-memory=150000000"]
        ports = ["--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0"]
        self.log = cluster.folder / f"node-{free_port()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *ports, *arguments],
                env=cluster.env,
                cwd=cluster.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a machine ends that is switched off."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class TwoNodes:
    """A head with one logical CPU and a worker node with three, behind a token."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(32)
        token_file = folder / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self.token)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RAY_") and k != "PYTHONPATH"}
        path = f"{Path(RAY).parent}{os.pathsep}{os.environ['PATH']}"
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file)}
        self.env = {**inherited, **token, "PATH": path, "HOME": str(folder)}
        self.nodes: list[Node] = []
        self.num_nodes = 0

    def start(self) -> None:
        """Start the head, then the node."""
        self.gcs, dashboard, client = free_port(), free_port(), free_port()
        self.address = f"http://127.0.0.1:{dashboard}"
        at = [f"--port={self.gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        private = ["--dashboard-host=127.0.0.1", "--include-dashboard=true", f"--temp-dir={self.folder}"]
        self.nodes.append(Node(self, "--head", "--num-cpus=1", *at, *private))
        head = self.nodes[-1].log
        wait_for(self.alive, START_TIMEOUT_S, lambda: f"head: {head.read_text()[-2000:]}")
        self.add_node()

    def add_node(self) -> None:
        """Add a node with three logical CPUs and a disk of its own: files in use would go with another's."""
        before, self.num_nodes = self.alive(), self.num_nodes + 1
        own = f"--temp-dir={self.folder / f'n{self.num_nodes}'}"
        self.nodes.append(Node(self, f"--address=127.0.0.1:{self.gcs}", "--num-cpus=3", own))
        log = self.nodes[-1].log
        wait_for(lambda: self.alive() - before, START_TIMEOUT_S, lambda: f"node: {log.read_text()[-2000:]}")

    def ask(self, path: str) -> Any:
        """Ask the dashboard; None while it does not answer."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def alive(self) -> set[str]:
        """Return the ids of the nodes that are up."""
        nodes = self.ask("/api/v0/nodes")
        return (
            {node["node_id"] for node in nodes["data"]["result"]["result"] if node["state"] == "ALIVE"}
            if nodes
            else set()
        )

    def submit(self, *entrypoint: str, **env: str) -> subprocess.Popen[str]:
        """Submit from the project's folder and follow the job, as the README says."""
        command = [RAY, "job", "submit", "--address", self.address, "--working-dir", ".", "--", *entrypoint]
        return subprocess.Popen(
            command,
            env={**self.env, **env},
            cwd=PROJECT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *entrypoint: str, **env: str) -> tuple[int, str]:
        """Submit, and return the exit status and what was printed."""
        job = self.submit(*entrypoint, **env)
        output, _ = job.communicate(timeout=JOB_TIMEOUT_S)
        return job.returncode, output

    def train(self, overrides: list[str]) -> list[str]:
        """Return the command of the main job on this cluster."""
        on_cpus = ["compute=cluster", "compute.use_gpu=false", f"output_dir={self.folder / 'shared'}"]
        return ["python", "pipelines/train.py", *on_cpus, *overrides]

    def close(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.nodes):
            node.kill()
