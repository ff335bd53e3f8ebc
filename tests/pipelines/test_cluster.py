"""A cluster of two nodes on this machine, used as a user would: `ray start`, `ray job submit`, `ray job logs`."""

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from avis import store
from avis.checkpoints.checkpoint import read_checkpoint
from avis.checkpoints.run_checkpoints import LAST
from avis.engine.prepare import prepare

pytestmark = pytest.mark.xdist_group("ray_session")  # one Ray at a time

PROJECT = Path(__file__).parents[2]
RAY = str(Path(sys.executable).with_name("ray"))
START_TIMEOUT_S = 120
JOB_TIMEOUT_S = 600
WHERE = """
import json, ray, avis
ray.init(address="auto")
on_worker = ray.remote(num_cpus=0)(lambda: __import__("avis").__file__)
print("WHERE", json.dumps([avis.__file__, ray.get(on_worker.remote())]))
"""


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
        """Add a node with three logical CPUs."""
        before = self.alive()
        one_log = "--include-log-monitor=false"  # the head's reads the logs of the whole machine
        self.nodes.append(Node(self, f"--address=127.0.0.1:{self.gcs}", "--num-cpus=3", one_log))
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
        return ["python", "pipelines/train.py", "compute=cluster", f"output_dir={self.folder / 'shared'}", *overrides]

    def close(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.nodes):
            node.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    folder = Path(tempfile.mkdtemp(prefix="avis-", dir="/tmp"))  # Unix sockets below it: their paths must be short
    nodes = TwoNodes(folder)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_code_comes_from_the_uploaded_folder(cluster):
    status, output = cluster.run("python", "-c", WHERE)
    assert status == 0, output
    driver, worker = json.loads(re.search(r"WHERE (.*)", output).group(1))
    for file in (driver, worker):
        assert Path(file).is_relative_to(cluster.folder), "on a cluster AVIS is not installed"


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_submission_without_the_token_is_refused(cluster, mode):
    status, output = cluster.run("echo", "never", RAY_AUTH_MODE=mode, RAY_AUTH_TOKEN="0" * 64)
    assert status != 0
    assert "AuthenticationError" in output
    assert "submitted" not in output


@pytest.mark.slow
def test_main_job_on_two_nodes(cluster, tiny):
    status, output = cluster.run(*cluster.train([*tiny["train"], "run=submitted"]))
    assert status == 0, output
    metrics = json.loads((cluster.folder / "shared" / "runs" / "submitted" / "metrics.json").read_text())
    assert 0 <= metrics["synthetic"]["eer"] <= 1
    tasks = cluster.ask("/api/v0/tasks?limit=10000")["data"]["result"]["result"]
    on = {task["node_id"] for task in tasks if task["name"] == "_make" and task["state"] == "FINISHED"}
    assert on, "nobody made examples"  # on which of the two nodes is up to Ray
    assert on <= cluster.alive()


def end_worker(cluster: TwoNodes, rank_1: int) -> None:
    os.kill(rank_1, signal.SIGKILL)


def end_node(cluster: TwoNodes, rank_1: int) -> None:
    """Take away the node that both training workers fit on, and give another, as a cloud does with spot nodes."""
    cluster.nodes.pop().kill()
    cluster.add_node()


@pytest.mark.slow
@pytest.mark.parametrize("end", [end_worker, end_node])
def test_training_outlives_its_workers(cluster, tiny, end):
    run = cluster.folder / "shared" / "runs" / end.__name__
    num_epochs = 40
    overrides = [
        *tiny["train"],
        f"run={run.name}",
        f"trainer.num_epochs={num_epochs}",
        "compute.max_restarts=2",
        "verbose=true",
    ]
    job = cluster.submit(*cluster.train(overrides))
    output = ""
    for line in job.stdout:
        output += line
        if re.search(r"epoch 2/\d+ val", line):
            (rank_1,) = re.findall(r"pid=(\d+)\) world_rank=1", output)
            end(cluster, int(rank_1))
            break
    rest, _ = job.communicate(timeout=JOB_TIMEOUT_S)
    assert job.returncode == 0, output + rest
    assert len(re.findall(r"world_rank=1", output + rest)) > 1, "training was not restarted"
    steps_per_epoch = int(re.search(r"train \d+/(\d+)", output).group(1))
    checkpoint = read_checkpoint(str(run / "checkpoints" / f"{LAST}.ckpt"))
    assert checkpoint["epoch"] == num_epochs - 1
    assert checkpoint["global_step"] == num_epochs * steps_per_epoch
    assert (run / "metrics.json").is_file()


@pytest.mark.slow
def test_preparing_outlives_its_node(cluster, recipe):
    """No part that was committed is made again, and the bytes are those of a run in this process."""
    audio, rows = cluster.folder / "audio", ["path,speaker,utt_id"]
    audio.mkdir()
    for speaker in range(4):
        noise = np.random.default_rng(speaker).uniform(-0.3, 0.3, 9600)
        sf.write(audio / f"{speaker}.wav", noise, 16000)
        rows += [f"{audio}/{speaker}.wav,s{speaker},u{speaker}-{number}" for number in range(1000)]
    (audio / "list.csv").write_text("\n".join(rows))
    settings = [f"corpus.path={audio}/list.csv", "sharding.num_validation_speakers=2", "sharding.shard_rows=100"]
    expected = prepare(recipe(*settings, f"output_dir={cluster.folder}/here", name="prepare", corpus="manifest"))
    out = cluster.folder / "prepared"
    command = ["python", "pipelines/prepare.py", "compute=cluster", "corpus=manifest", f"output_dir={out}", *settings]
    job = cluster.submit(*command)
    made = out / "stores" / Path(expected).name
    wait_for(lambda: len(list(made.glob("_parts/*.json"))) > 5, JOB_TIMEOUT_S, lambda: "parts")
    cluster.nodes.pop().kill()
    files = [file for record in store.committed_parts(str(made)).values() for file in record]
    committed = {made / file: (made / file).stat().st_mtime_ns for file in files}
    assert len(committed) < 3 * 40
    cluster.add_node()
    output, _ = job.communicate(timeout=JOB_TIMEOUT_S)
    assert job.returncode == 0, output
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    for folder, other in ((Path(expected), made), (made, Path(expected))):
        for path in folder.rglob("*.*"):
            assert path.read_bytes() == (other / path.relative_to(folder)).read_bytes()


@pytest.mark.slow
def test_several_runs_go_side_by_side_and_are_compared(cluster, tiny):
    """Seven logical CPUs are enough for two runs of a trainer and two beside it each; one makes the store for both."""
    cluster.add_node()
    settings = ["-m", "seed=0,1", *tiny["train"], "run=several", "compute.num_workers=1", "trainer.num_epochs=12"]
    status, output = cluster.run(*cluster.train(settings))
    assert status == 0, output
    assert "2 runs, 2 at a time: several-seed-0, several-seed-1" in output
    assert len(re.findall(r"^several-seed-\d: prepare .* took", output, re.MULTILINE)) == 1, "made once, for both"
    lines = output.splitlines()
    begun = [lines.index(line) for line in lines if re.match(r"several-seed-\d: epoch 1/12 val", line)]
    ended = [lines.index(line) for line in lines if re.match(r"several-seed-\d: epoch 12/12 val", line)]
    assert max(begun) < min(ended), "both trained at once"
    [compare] = re.findall(r"^compare: python (.*)$", output, re.MULTILINE)
    assert "runs=[several-seed-0,several-seed-1]" in compare
    done = subprocess.run([sys.executable, *shlex.split(compare)], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()
