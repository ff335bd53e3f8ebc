"""`ray up cluster/aws.yaml` against moto, which stands in for EC2: what is asked of EC2, and of the head over SSH.

python -m pytest -m slow tests/cluster/test_aws.py
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from ray.autoscaler._private import commands
from ray.autoscaler._private.aws import utils
from ray.autoscaler._private.event_summarizer import EventSummarizer
from ray.autoscaler._private.node_launcher import BaseNodeLauncher
from ray.autoscaler._private.node_provider_availability_tracker import NodeProviderAvailabilityTracker
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler._private.util import ConcurrentCounter

from tests.cluster.descriptors import load

pytestmark = pytest.mark.slow

OFFICE = "203.0.113.7/32"
ANSWERS = {
    "command -v docker": "/usr/bin/docker",
    "printenv HOME": "/home/ray",
    ".Config.Env": "[]",
    "/proc/meminfo": "MemAvailable: 14000000 kB",
}
"""What a machine with Docker says when it is asked."""


class Machine:
    """Takes the place of `subprocess`: a machine with Docker that does what it is told over SSH, and notes it."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self.told: list[str] = []
        self.config: dict[str, Any] = {}

    def check_call(self, command: list[str], **_: Any) -> int:
        self.told.append(" ".join(command))
        for part in command:
            if Path(part).name.startswith("ray-bootstrap-"):
                self.config = json.loads(Path(part).read_text())
        return 0

    def check_output(self, command: list[str], **_: Any) -> bytes:
        self.check_call(command)
        answers = (answer for asked, answer in ANSWERS.items() if asked in self.told[-1])
        return next(answers, "").encode()

    def order(self, *what: str) -> list[int]:
        """Return when it was first told each of these."""
        return [next(number for number, each in enumerate(self.told) if part in each) for part in what]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ray").mkdir()
    (folder / ".ray" / "auth_token").write_text("token")
    return folder


@pytest.fixture(scope="module")
def account(home: Path) -> Iterator[dict[str, Any]]:
    """Yield what has to be there first, as cluster/README.md has it, in an account of AWS that moto makes."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("HOME", str(home))
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setenv("RAY_UP_enable_autoscaler_v2", "1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        utils.resource_cache.cache_clear()
        utils.client_cache.cache_clear()
        region = load("aws.yaml")["provider"]["region"]
        ec2 = boto3.resource("ec2", region)
        boto3.client("iam", region).create_instance_profile(InstanceProfileName="avis")
        image = ec2.register_image(Name="avis", RootDeviceName="/dev/sda1", Architecture="x86_64")
        vpc = next(iter(ec2.vpcs.filter(Filters=[{"Name": "is-default", "Values": ["true"]}])))
        group = ec2.create_security_group(GroupName="avis", Description="nodes", VpcId=vpc.id)
        group.authorize_ingress(
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": OFFICE}]},
                {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group.id}]},
            ]
        )
        yield {"ec2": ec2, "group": group, "vpc": vpc, "image": image.id}
        utils.resource_cache.cache_clear()
        utils.client_cache.cache_clear()


@pytest.fixture(scope="module")
def config(account) -> dict[str, Any]:
    """Return what `ray up` makes of the file, with an image that is there."""
    described = load("aws.yaml")
    for kind in described["available_node_types"].values():
        kind["node_config"]["ImageId"] = account["image"]
    return commands._bootstrap_config(described, no_config_cache=True)


@pytest.fixture(scope="module")
def machine(config) -> Machine:
    """Return the head's machine, once `ray up` has set it up."""
    machine = Machine()
    commands.get_or_create_head_node(config, "aws.yaml", False, False, True, None, _runner=machine)
    return machine


@pytest.fixture(scope="module")
def instances(account, config, machine, home) -> dict[str, Any]:
    """Return an instance of each kind: the head, and the workers that it launches by what it was given."""
    given = machine.config
    shutil.copy(config["auth"]["ssh_private_key"], home / "ray_bootstrap_key.pem")  # as the head got it
    provider = _get_node_provider(given["provider"], given["cluster_name"])
    for kind in ("cpu", "gpu"):
        pending = ConcurrentCounter()
        pending.inc(kind, 1)
        launcher = BaseNodeLauncher(provider, pending, EventSummarizer(), NodeProviderAvailabilityTracker())
        launcher.launch_node(given, 1, kind)
    return {tags_of(instance)["ray-user-node-type"]: instance for instance in account["ec2"].instances.all()}


def tags_of(instance: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.tags}


def test_ray_knows_what_the_machines_have(config):
    resources = {name: kind["resources"] for name, kind in config["available_node_types"].items()}
    assert resources["head"]["CPU"] == 0
    assert (resources["cpu"]["CPU"], resources["cpu"].get("GPU")) == (16, None)
    assert (resources["gpu"]["CPU"], resources["gpu"]["GPU"]) == (16, 1)


@pytest.mark.parametrize(
    ("name", "kind", "spot"),
    [("head", "m7i.xlarge", None), ("cpu", "c7i.4xlarge", None), ("gpu", "g6.4xlarge", "spot")],
)
def test_ec2_is_asked_for_each_kind(name: str, kind: str, spot: str | None, account, instances, home):
    assert instances.keys() == {"head", "cpu", "gpu"}
    instance = instances[name]
    assert (instance.instance_type, instance.instance_lifecycle) == (kind, spot)
    assert instance.image_id == account["image"]
    assert instance.iam_instance_profile["Arn"].endswith(":instance-profile/avis")
    assert [group["GroupId"] for group in instance.security_groups] == [account["group"].id]
    assert instance.vpc_id == account["vpc"].id
    assert (home / ".ssh" / f"{instance.key_name}.pem").stat().st_mode & 0o77 == 0
    [disk] = instance.volumes.all()
    assert (disk.size, disk.volume_type) == (200, "gp3")
    tags = tags_of(instance)
    assert tags["ray-cluster-name"] == "avis"
    assert tags["ray-node-type"] == ("head" if name == "head" else "worker")


def test_the_security_group_stays_as_it_was_made(account, instances):
    account["group"].reload()
    ranges = [each["CidrIp"] for rule in account["group"].ip_permissions for each in rule["IpRanges"]]
    assert ranges == [OFFICE]
    members = [pair["GroupId"] for rule in account["group"].ip_permissions for pair in rule["UserIdGroupPairs"]]
    assert members == [account["group"].id]


def test_the_head_mounts_the_folder_then_starts_the_container_then_ray(machine):
    steps = machine.order("mount -t nfs4", "chown 1000", "docker pull", "docker run", "chmod 600", "ray start --head")
    assert steps == sorted(steps)
    started = machine.told[steps[3]]
    for option in ("--volume=/mnt/avis:/mnt/avis", "--env=RAY_AUTH_MODE=token", "--shm-size="):
        assert option in started
    assert any(".ray/auth_token" in each and each.startswith("rsync") for each in machine.told)
    assert machine.config["auth"]["ssh_private_key"] == "~/ray_bootstrap_key.pem"
