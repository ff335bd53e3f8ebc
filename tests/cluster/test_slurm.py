"""Trainings as jobs of Slurm, submitted, watched and ended by the README's lines, on machines of our own making.

python -m pytest -m slow tests/cluster/test_slurm.py
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster import slurm, testbed
from tests.cluster.slurm import CANCEL, STATUS, STOP, Slurm
from tests.cluster.testbed import SHARED, wait_for

JOB_TIMEOUT_S = 900
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray_session"),  # one Ray at a time
    pytest.mark.timeout(3 * JOB_TIMEOUT_S),
]

OUTPUTS = f"{SHARED}/outputs"
OF_TWO_CPUS, OF_ONE_CPU = "--cpus-per-task=2 --mem=4G", "--cpus-per-task=1 --mem=4G"
DISTRIBUTED = ["compute.num_workers=3", "trainer.batch_size=6", "trainer.num_epochs=2"]
"""For which one node of two CPUs has too little room."""
ENDS_WITHIN_S = 60


class Jobs(NamedTuple):
    """A job on two nodes, one on a single node that both had, and what Ray said of the former while both ran."""

    on_two: str
    on_one: str
    status: str


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    if lacking := testbed.missing() or slurm.missing():
        pytest.skip(lacking)
    folder = Path(tempfile.mkdtemp(prefix="avis-", dir="/tmp"))
    cluster = Slurm(folder)
    try:
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def given(tiny: dict[str, list[str]]) -> list[str]:
    """Return what a training with one trainer is given; where a node has one CPU, another node makes the examples."""
    on_cpus = ["compute.use_gpu=false", "compute.num_workers=1", "compute.max_restarts=3", f"output_dir={OUTPUTS}"]
    return [*tiny["train"], *on_cpus, "trainer.num_epochs=40", "verbose=true"]


@pytest.fixture(scope="module")
def jobs(cluster: Slurm, given: list[str]) -> Jobs:
    on_two = cluster.submit(f"{OF_TWO_CPUS} --gpus-per-node=1 --nodelist=node1,node2", [*given, *DISTRIBUTED])
    on_one = cluster.submit(f"{OF_TWO_CPUS} --nodes=1 --nodelist=node1", [*given, "run=undisturbed"])
    for job in (on_two, on_one):
        wait_until_it_trains(cluster, job)
    status = cluster.run(STATUS.replace("<job>", on_two))
    for job in (on_two, on_one):
        cluster.wait_for_state(job, "COMPLETED", JOB_TIMEOUT_S)
    return Jobs(on_two, on_one, status)


def wait_until_it_trains(cluster: Slurm, job: str) -> None:
    """Wait until a job has trained an epoch, and has more to train."""
    epoch = re.compile(r"epoch 1/\d+ val")
    wait_for(lambda: epoch.search(cluster.said(job)), JOB_TIMEOUT_S, lambda: f"training\n{cluster.said(job)}")


def wait_until_put_back(cluster: Slurm, job: str) -> None:
    wait_for(lambda: cluster.of(job, "Restarts") == "1", JOB_TIMEOUT_S, lambda: f"restart\n{cluster.said(job)}")


def result(cluster: Slurm, run: str) -> dict[str, Any]:
    return json.loads(cluster.on_shared(f"{OUTPUTS}/runs/{run}/metrics.json").read_text())


def test_two_jobs_at_once_on_one_node(cluster, jobs):
    for run in (f"avis-{jobs.on_two}", "undisturbed"):
        assert 0 <= result(cluster, run)["synthetic"]["eer"] <= 1


def test_a_training_is_on_all_nodes_of_its_job(cluster, jobs):
    trainers = re.findall(r"ip=(\S+), pid=\d+\) world_rank=", cluster.said(jobs.on_two))
    assert {node.address for node in cluster.nodes[:2]} == set(trainers)
    assert len(trainers) == 3


def test_ray_has_what_slurm_granted(jobs):
    """Of each node two CPUs, a GPU and 4 GiB, three tenths of which are for objects."""
    assert "4.0 CPU" in jobs.status
    assert "2.0 GPU" in jobs.status
    assert "5.60GiB memory" in jobs.status
    assert "2.40GiB object_store_memory" in jobs.status


def test_nothing_is_left_of_jobs_that_have_ended(cluster, jobs):
    for node in cluster.nodes:
        assert cluster.left(node) == ""


def test_a_job_whose_time_is_up_goes_on_where_it_was(cluster, given, jobs):
    job = cluster.submit(OF_ONE_CPU, given)
    wait_until_it_trains(cluster, job)
    cluster.run(STOP.replace("<job>", job))
    wait_until_put_back(cluster, job)
    said = cluster.said(job)
    assert "stopped by SIGUSR1: what is finished is kept." in said
    assert "epoch 40/40" not in said, "it was to be in the midst of training"
    cluster.wait_for_state(job, "COMPLETED", JOB_TIMEOUT_S)
    assert result(cluster, f"avis-{job}") == result(cluster, "undisturbed")


@pytest.mark.parametrize("which", [0, 1], ids=["the head's", "another"])
def test_a_job_that_loses_a_node_goes_on_with_another(cluster, given, jobs, which):
    job = cluster.submit(OF_ONE_CPU, given)
    wait_until_it_trains(cluster, job)
    cluster.nodes[which].power_off()
    try:
        wait_until_put_back(cluster, job)
        cluster.wait_for_state(job, "COMPLETED", JOB_TIMEOUT_S)
    finally:
        cluster.boot(cluster.nodes[which])
    assert result(cluster, f"avis-{job}") == result(cluster, "undisturbed")


def test_ray_is_started_again_on_a_node_where_it_died(cluster, given, jobs):
    job = cluster.submit(OF_ONE_CPU, given)
    wait_until_it_trains(cluster, job)
    cluster.nodes[1].run("kill -KILL $(pgrep -x raylet)")
    cluster.wait_for_state(job, "COMPLETED", JOB_TIMEOUT_S)
    assert "node2: Ray has ended by itself" in cluster.said(job)
    assert cluster.of(job, "Restarts") == "0"
    assert result(cluster, f"avis-{job}") == result(cluster, "undisturbed")


def test_a_job_that_is_cancelled_ends_with_all_that_it_started(cluster, given):
    job = cluster.submit(OF_ONE_CPU, given)
    wait_until_it_trains(cluster, job)
    cluster.run(CANCEL.replace("<job>", job))
    wait_for(lambda: not any(map(cluster.left, cluster.nodes)), ENDS_WITHIN_S, "end of all")
    assert cluster.of(job, "JobState") == "CANCELLED"
