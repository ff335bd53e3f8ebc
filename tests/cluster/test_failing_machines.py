"""Machines and links that fail while a training runs on a cluster kept by systemd: what is learnt stays the same."""

import csv
import time
from collections.abc import Callable

import pytest

from tests.cluster.by_hand import JOB_WITHIN_S, STARTS_WITHIN_S, ByService, Job
from tests.cluster.testbed import Machine, Testbed, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400), pytest.mark.xdist_group("ray_session")]  # one Ray at a time

WORKERS = ["compute.use_gpu=false", "compute.num_workers=3", "compute.max_restarts=3"]
ON_BOTH = [*WORKERS, "trainer.batch_size=6", "trainer.num_epochs=24"]
"""Three workers do not fit on one machine, and so many epochs take long enough to be disturbed."""
CALM, NUM_STEPS = "undisturbed", 48
BLIP_S = 30
GIVEN_UP_WITHIN_S = 400


@pytest.fixture(scope="module")
def cluster(testbed: Callable[..., Testbed]) -> ByService:
    made = ByService(testbed("head", "one", "two"))
    for machine in made.others:
        made.add(machine)
    return made


@pytest.fixture
def training(cluster: ByService, tiny: dict[str, list[str]], request: pytest.FixtureRequest) -> Job:
    """Submit a training that is named after the test."""
    return cluster.submit("train.py", *tiny["train"], *ON_BOTH, f"run={request.node.name}")


@pytest.fixture(scope="module")
def undisturbed(cluster: ByService, tiny: dict[str, list[str]]) -> None:
    """Train where nothing fails."""
    job = cluster.submit("train.py", *tiny["train"], *ON_BOTH, f"run={CALM}")
    assert job.status() == 0, job.said


def losses(cluster: ByService, run: str) -> dict[int, float]:
    """Return the loss of each step, of the last start that took it."""
    logs = (cluster.testbed.shared / "runs" / run / "csv").glob("version_*/metrics.csv")
    rows = [row for log in sorted(logs, key=lambda log: log.stat().st_mtime) for row in csv.DictReader(log.open())]
    return {int(row["step"]): float(row["train/loss"]) for row in rows if row["train/loss"]}


def assert_alike(cluster: ByService, run: str) -> None:
    """Compare the losses: none is left out, and they are the same, bit for bit."""
    disturbed = losses(cluster, run)
    assert sorted(disturbed) == list(range(NUM_STEPS))
    assert disturbed == losses(cluster, CALM)


def training_machine(cluster: ByService) -> Machine:
    return next(each for each in cluster.others if "RayTrainWorker" in each.run("ps ax"))


def test_link_down_for_half_a_minute(cluster: ByService, undisturbed, training: Job, request):
    training.until(r"epoch 2/\d+ val")
    machine = training_machine(cluster)
    machine.link("down")
    time.sleep(BLIP_S)
    machine.link("up")
    assert training.status() == 0, training.said
    assert cluster.num_alive() == 3
    assert_alike(cluster, request.node.name)


def test_link_down_until_the_machine_is_given_up(cluster: ByService, undisturbed, training: Job, request):
    training.until(r"epoch 2/\d+ val")
    machine = training_machine(cluster)
    machine.link("down")
    wait_for(lambda: cluster.num_alive() == 2, GIVEN_UP_WITHIN_S, "machine that is given up")
    machine.link("up")
    wait_for(lambda: cluster.num_alive() == 3, STARTS_WITHIN_S, "machine that joins again")
    assert training.status() == 0, training.said
    assert_alike(cluster, request.node.name)


def test_power_lost(cluster: ByService, undisturbed, training: Job, request):
    training.until(r"epoch 2/\d+ val")
    machine = training_machine(cluster)
    machine.power_off()
    wait_for(lambda: cluster.num_alive() == 2, GIVEN_UP_WITHIN_S, "machine that is given up")
    cluster.add(machine)
    assert training.status() == 0, training.said
    assert_alike(cluster, request.node.name)


def test_head_lost(cluster: ByService, undisturbed, training: Job, request):
    """The others join the new head by themselves; the training, submitted again, goes on where it was."""
    training.until(r"epoch 2/\d+ val")
    cluster.head.power_off()
    assert training.status(within_s=JOB_WITHIN_S) != 0
    cluster.start()
    wait_for(lambda: cluster.num_alive() == 3, GIVEN_UP_WITHIN_S, "machines that join the new head")
    run = f"resume={request.node.name}"
    again = cluster.submit("train.py", run, *WORKERS)
    assert again.status() == 0, again.said
    assert_alike(cluster, request.node.name)
