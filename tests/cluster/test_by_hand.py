"""A cluster by hand of three machines, one of which coordinates, made by the README's lines."""

import json
from collections.abc import Callable

import pytest

from tests.cluster.by_hand import ByHand
from tests.cluster.testbed import SHARED, Testbed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), pytest.mark.xdist_group("ray_session")]  # one Ray at a time


@pytest.fixture(scope="module")
def cluster(testbed: Callable[..., Testbed]) -> ByHand:
    made = ByHand(testbed("head", "one", "two"))
    for machine in made.others:
        made.add(machine)
    return made


@pytest.fixture(scope="module")
def on_cpus(tiny: dict[str, list[str]]) -> list[str]:
    return [*tiny["train"], "compute.use_gpu=false", "trainer.batch_size=6"]


def test_a_folder_that_is_not_shared_is_refused_before_anything_is_prepared(cluster: ByHand, on_cpus: list[str]):
    job = cluster.submit("train.py", *on_cpus, output_dir="/tmp/own")
    assert job.status() != 0
    assert "folder not shared: got one that 2 of 3 nodes do not see" in job.said
    assert "Set output_dir to" in job.said


def test_two_at_once_share_what_is_there(cluster: ByHand, on_cpus: list[str]):
    """Four CPUs have no room for two trainings of three workers: one waits, says for what, and comes to its end."""
    jobs = [cluster.submit("train.py", *on_cpus, "compute.num_workers=3", f"run=both-{number}") for number in range(2)]
    assert [job.status() for job in jobs] == [0, 0], "\n".join(job.said for job in jobs)
    assert "training: waits for 0 GPUs and 3 CPUs" in "".join(job.said for job in jobs)
    for number in range(2):
        assert f"{SHARED}/runs/both-{number}" in jobs[number].said
        metrics = json.loads((cluster.testbed.shared / "runs" / f"both-{number}" / "metrics.json").read_text())
        assert 0 <= metrics["synthetic"]["eer"] <= 1
