"""What `ray up` takes: Ray's own checks accept the files, and their clusters keep to themselves."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.descriptors import load

CLOUDS = {name: load(f"{name}.yaml") for name in ("aws", "gcp")}
UPS = {**CLOUDS, "onprem": load("onprem.yaml")}


@pytest.fixture(params=CLOUDS.values(), ids=CLOUDS)
def cloud(request) -> dict[str, Any]:
    return request.param


@pytest.fixture(params=UPS.values(), ids=UPS)
def up(request) -> dict[str, Any]:
    return request.param


@pytest.fixture(scope="module")
def aws() -> dict[str, Any]:
    return CLOUDS["aws"]


@pytest.fixture(scope="module")
def gcp() -> dict[str, Any]:
    return CLOUDS["gcp"]


def test_ray_up_accepts_it(up):
    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    jsonschema.validate(up, json.loads(schema.read_text()))
    validate_config(prepare_config(copy.deepcopy(up)))


def test_the_head_coordinates_and_gpus_come_for_a_training_that_waits(cloud):
    types = cloud["available_node_types"]
    assert types[cloud["head_node_type"]]["resources"] == {"CPU": 0}
    assert types["gpu"]["min_workers"] == 0 < types["gpu"]["max_workers"]
    assert sum(kind.get("max_workers", 0) for kind in types.values()) <= cloud["max_workers"]


def test_nodes_share_a_folder_that_their_user_writes_to(cloud):
    *_, mounted, given = cloud["initialization_commands"]
    assert "mount -t nfs" in mounted
    assert mounted.endswith("/mnt/avis")
    assert given == "sudo chown 1000 /mnt/avis"
    assert "--volume=/mnt/avis:/mnt/avis" in cloud["docker"]["run_options"]
    installs = [command for command in cloud["initialization_commands"] if "apt-get" in command]
    assert all("DPkg::Lock::Timeout" in command for command in installs)


def test_clusters_keep_to_themselves(up):
    head, workers = (" ".join(up[f"{role}_start_ray_commands"]) for role in ("head", "worker"))
    assert "--dashboard-host=127.0.0.1" in head
    assert "$RAY_HEAD_IP:6379" in workers
    in_container = "--env=RAY_AUTH_MODE=token" in up.get("docker", {}).get("run_options", [])
    assert in_container or ("RAY_AUTH_MODE=token" in head and "RAY_AUTH_MODE=token" in workers)
    assert up["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert "chmod 600 ~/.ray/auth_token" in up["setup_commands"]


def test_ec2_nodes_have_an_image_and_a_profile_and_only_those_that_train_are_spot(aws):
    for kind in aws["available_node_types"].values():
        assert kind["node_config"]["ImageId"].startswith("ami-"), "Ray's own is too old for CUDA 13"
        assert kind["node_config"]["IamInstanceProfile"]["Arn"].startswith("arn:aws:iam::")
    types = aws["available_node_types"]
    markets = {name: kind["node_config"].get("InstanceMarketOptions") for name, kind in types.items()}
    assert markets == {"head": None, "cpu": None, "gpu": {"MarketType": "spot"}}
    assert "IpPermissions" not in aws["provider"]["security_group"]


def test_compute_engine_nodes_are_in_one_subnet_of_their_own_and_only_those_that_train_are_spot(gcp):
    types = gcp["available_node_types"]
    models = {name: kind["node_config"].get("scheduling", {}).get("provisioningModel") for name, kind in types.items()}
    assert models == {"head": None, "cpu": None, "gpu": "SPOT"}
    for kind in types.values():
        [interface] = kind["node_config"]["networkInterfaces"]
        assert interface["subnetwork"].endswith("/subnetworks/avis"), "in the default one SSH is open to the world"
        [disk] = kind["node_config"]["disks"]
        assert disk["initializeParams"]["diskType"].startswith(f"zones/{gcp['provider']['availability_zone']}/")
    vcpus = {name: int(kind["node_config"]["machineType"].rpartition("-")[2]) for name, kind in types.items()}
    assert {name: types[name]["resources"]["CPU"] for name in ("cpu", "gpu")} == {
        name: vcpus[name] for name in ("cpu", "gpu")
    }
