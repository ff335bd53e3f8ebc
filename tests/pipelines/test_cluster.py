"""A cluster of two nodes on this machine, used as a user would: `ray start`, `ray job submit`, `ray job logs`."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from avis import store
from avis.checkpoints.checkpoint import read_checkpoint
from avis.checkpoints.run_checkpoints import LAST
from avis.engine.prepare import prepare
from tests.two_nodes import JOB_TIMEOUT_S, PROJECT, TwoNodes, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray_session")]  # one Ray at a time

WHERE = """
import json, ray, avis
ray.init(address="auto")
on_worker = ray.remote(num_cpus=0)(lambda: __import__("avis").__file__)
print("WHERE", json.dumps([avis.__file__, ray.get(on_worker.remote())]))
"""


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


def test_relative_paths_are_refused_where_the_job_stands_in_an_upload(cluster):
    status, output = cluster.run("python", "pipelines/train.py", "compute=cluster", "compute.use_gpu=false")
    assert status != 0
    assert "relative path in a submitted job: got output_dir=outputs" in output
    assert "listing corpus" not in output


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


@pytest.mark.parametrize("end", [end_worker, end_node])
def test_training_outlives_its_workers(cluster, tiny, end):
    run = cluster.folder / "shared" / "runs" / end.__name__
    num_epochs = 40
    overrides = [
        *tiny["train"],
        f"run={run.name}",
        f"trainer.num_epochs={num_epochs}",
        "compute.num_workers=2",
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


def test_a_training_waits_for_nodes_and_says_for_what(cluster, tiny):
    while len(cluster.nodes) > 1:
        cluster.nodes.pop().kill()
    wait_for(lambda: len(cluster.alive()) == 1, JOB_TIMEOUT_S, lambda: "end of the node")
    waiting = [*tiny["train"], "compute.num_workers=2", "trainer.num_epochs=1"]
    status, output = cluster.run(*cluster.train([*waiting, "run=alone", "compute.wait_minutes=0.1"]))
    assert status != 0
    assert "no room for training: got 0 GPUs and 1 CPUs free of 0 GPUs and 1 CPUs within 0.1 min" in output
    job = cluster.submit(*cluster.train([*waiting, "run=patient"]))
    output = ""
    for line in job.stdout:
        output += line
        if "training: waits for 0 GPUs and 2 CPUs" in line:
            cluster.add_node()
            break
    rest, _ = job.communicate(timeout=JOB_TIMEOUT_S)
    assert job.returncode == 0, output + rest


def test_preparing_grows_to_nodes_that_come(cluster, tmp_path):
    while len(cluster.nodes) > 1:
        cluster.nodes.pop().kill()
    audio, rows = cluster.folder / "more", ["path,speaker,utt_id"]
    audio.mkdir()
    sf.write(audio / "0.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 160_000), 16000)
    rows += [f"{audio}/0.wav,s{number % 7},u{number}" for number in range(6000)]
    (audio / "list.csv").write_text("\n".join(rows))
    settings = [f"corpus.path={audio}/list.csv", "sharding.num_validation_speakers=2", "sharding.shard_rows=100"]
    out = cluster.folder / "grown"
    job = cluster.submit(
        *["python", "pipelines/prepare.py", "compute=cluster", "corpus=manifest", f"output_dir={out}", *settings]
    )
    wait_for(lambda: len(list(out.glob("stores/*/_parts/*.json"))) > 2, JOB_TIMEOUT_S, lambda: "parts")
    before = cluster.alive()
    cluster.add_node()
    (new,) = cluster.alive() - before

    def grown() -> bool:
        actors = cluster.ask("/api/v0/actors?limit=10000")["data"]["result"]["result"]
        return any(actor["node_id"] == new and "Map" in actor["class_name"] for actor in actors)

    wait_for(lambda: grown() or job.poll() is not None, JOB_TIMEOUT_S, lambda: "worker on the new node")
    assert grown(), job.communicate()[0]
    output, _ = job.communicate(timeout=JOB_TIMEOUT_S)
    assert job.returncode == 0, output


def test_several_runs_go_side_by_side_and_are_compared(cluster, tiny):
    """Seven logical CPUs are enough for two runs of a trainer and two beside it each; one makes the store for both."""
    cluster.add_node()
    status, output = cluster.run("python", "-c", WHERE)  # nodes of one machine put the folder there anew, each once
    assert status == 0, output
    one_seed = [setting for setting in tiny["train"] if not setting.startswith("seed=")]
    settings = ["-m", "seed=0,1", *one_seed, "run=several", "compute.num_workers=1", "trainer.num_epochs=12"]
    status, output = cluster.run(*cluster.train(settings))
    assert status == 0, output
    assert "2 runs, 2 at a time: several-seed-0, several-seed-1" in output, output
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
