"""The descriptors in cluster/: valid, private, authenticated, and of the tested versions."""

import copy
import importlib
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from avis.serving.application import build
from avis.serving.settings import Settings
from avis.serving.tokens import VARIABLE
from tests.compositions import composed

PROJECT = Path(__file__).parents[2]
CLUSTER = PROJECT / "cluster"
YAMLS = sorted(CLUSTER.glob("*.yaml"))
RAY_PORTS = {6379, 8265, 10001}
WORLD = {"0.0.0.0/0", "::/0"}
UNITS = {"Mi": 2**20, "Gi": 2**30}
LOCKED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / name).read_text())


def walk(node: Any) -> list[tuple[str, Any]]:
    """Return every key and value at and below a node."""
    if isinstance(node, dict):
        return [pair for key, value in node.items() for pair in ((key, value), *walk(value))]
    return [pair for item in node for pair in walk(item)] if isinstance(node, list) else []


@pytest.fixture(scope="module")
def aws() -> dict[str, Any]:
    return load("aws.yaml")


@pytest.fixture(scope="module")
def rayjob() -> dict[str, Any]:
    return load("kuberay-rayjob.yaml")


@pytest.fixture(scope="module")
def rayservice() -> dict[str, Any]:
    return load("kuberay-rayservice.yaml")


@pytest.fixture(scope="module")
def groups(rayjob) -> dict[str, dict[str, Any]]:
    return groups_of(rayjob["spec"]["rayClusterSpec"])


@pytest.fixture(scope="module")
def service_groups(rayservice) -> dict[str, dict[str, Any]]:
    return groups_of(rayservice["spec"]["rayClusterConfig"])


def groups_of(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"head": cluster["headGroupSpec"], **{group["groupName"]: group for group in cluster["workerGroupSpecs"]}}


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return only


def size(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line.split(";")[0])


def test_folder_holds_descriptors_only():
    assert {path.name for path in CLUSTER.iterdir()} == {
        "README.md",
        "Dockerfile",
        "aws.yaml",
        "grafana-dashboard.json",
        "kuberay-rayjob.yaml",
        "kuberay-rayservice.yaml",
        "serve.yaml",
    }


def test_ray_up_accepts_it(aws):
    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    jsonschema.validate(aws, json.loads(schema.read_text()))
    validate_config(prepare_config(copy.deepcopy(aws)))


def test_ec2_nodes_have_an_image_and_a_profile_and_share_a_folder_that_their_user_writes_to(aws):
    for kind in aws["available_node_types"].values():
        assert kind["node_config"]["ImageId"].startswith("ami-"), "Ray's own is too old for CUDA 13"
        assert kind["node_config"]["IamInstanceProfile"]["Arn"].startswith("arn:aws:iam::")
    *_, mounted, given = aws["initialization_commands"]
    assert "mount -t nfs4" in mounted
    assert given == "sudo chown 1000 /mnt/avis"
    installs = [command for command in aws["initialization_commands"] if "apt-get" in command]
    assert all("DPkg::Lock::Timeout" in command for command in installs)


def test_ray_up_node_types(aws):
    types = aws["available_node_types"]
    assert types[aws["head_node_type"]]["resources"] == {"CPU": 0}, "the head only coordinates"
    assert "InstanceMarketOptions" not in types[aws["head_node_type"]]["node_config"], "its loss ends the job"
    assert types["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert types["gpu"]["min_workers"] == 0 < types["gpu"]["max_workers"], "they come for a training that waits"
    assert sum(kind.get("max_workers", 0) for kind in types.values()) <= aws["max_workers"]


def test_ray_up_keeps_to_itself(aws):
    assert "IpPermissions" not in aws["provider"]["security_group"]
    head, workers = (" ".join(aws[f"{role}_start_ray_commands"]) for role in ("head", "worker"))
    assert "--dashboard-host=127.0.0.1" in head
    assert "$RAY_HEAD_IP:6379" in workers
    assert "--env=RAY_AUTH_MODE=token" in aws["docker"]["run_options"]
    assert aws["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert "chmod 600 ~/.ray/auth_token" in aws["setup_commands"]


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_opens_no_port_to_the_world(path):
    pairs = walk(list(yaml.safe_load_all(path.read_text())))
    values = {value for _, value in pairs if isinstance(value, str | int)}
    assert not values & WORLD
    assert not values & {"LoadBalancer", "NodePort", "Ingress", "Route"}
    keys = {key for key, _ in pairs}
    assert not keys & {"hostPort", "hostNetwork", "nodePort", "enableIngress", "IpPermissions"}
    published = re.findall(r"(?:--publish|-p)[ =](\S+)", path.read_text())
    assert not [port for port in published if any(str(number) in port for number in RAY_PORTS)]
    assert "dashboard-host=0.0.0.0" not in path.read_text()


@pytest.mark.parametrize("path", [*YAMLS, CLUSTER / "Dockerfile"], ids=lambda path: path.name)
def test_asks_for_a_token_and_holds_none(path):
    text = path.read_text()
    assert re.search(r"RAY_AUTH_MODE=token|authOptions:\s+mode: token", text)
    assert "RAY_AUTH_TOKEN=" not in text
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)


def test_kuberay_kinds(rayjob, rayservice, pinned):
    assert (rayjob["apiVersion"], rayjob["kind"]) == ("ray.io/v1", "RayJob")
    assert (rayservice["apiVersion"], rayservice["kind"]) == ("ray.io/v1", "RayService")
    assert rayjob["spec"]["shutdownAfterJobFinishes"] is True
    for cluster in (rayjob["spec"]["rayClusterSpec"], rayservice["spec"]["rayClusterConfig"]):
        assert cluster["rayVersion"] == pinned["ray"]
        assert cluster["authOptions"] == {"mode": "token"}
        assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("name", ["head", "cpu", "gpu"])
@pytest.mark.parametrize("kind", ["groups", "service_groups"])
def test_kuberay_pods(kind, name, request):
    group = request.getfixturevalue(kind)[name]
    resources = container(group)["resources"]
    assert resources["requests"] == resources["limits"], "a pod above its request is evicted first"
    assert ("nvidia.com/gpu" in resources["limits"]) == (name == "gpu")
    volumes = {volume["name"]: volume for volume in group["template"]["spec"]["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container(group)["volumeMounts"]}
    shm = mounts["/dev/shm"]["emptyDir"]
    assert shm["medium"] == "Memory"
    assert size(shm["sizeLimit"]) >= 0.3 * size(resources["limits"]["memory"]), "Ray's object store takes 30 %"
    assert mounts["/mnt/avis"]["persistentVolumeClaim"] == {"claimName": "avis"}
    if name != "head":
        assert 0 < group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert kind == "service_groups" or group["minReplicas"] == group["maxReplicas"], (
            "a training takes what is there"
        )


@pytest.mark.parametrize(("name", "num_pods"), [("kuberay-rayjob.yaml", 4), ("kuberay-rayservice.yaml", 3)])
def test_kuberay_pods_keep_to_what_kubernetes_calls_restricted(name, num_pods):
    pods = [value for key, value in walk(load(name)) if key == "spec" and "containers" in value]
    assert len(pods) == num_pods
    for pod in pods:
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        kinds = {volume["name"]: next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]}
        assert set(kinds.values()) <= {"emptyDir", "persistentVolumeClaim"}
        [only] = pod["containers"]
        assert only["securityContext"] == LOCKED
        mounts = {mount["mountPath"]: kinds[mount["name"]] for mount in only["volumeMounts"]}
        assert mounts["/tmp"] == "emptyDir", "all else of the root is read-only"


def test_kuberay_autoscaler_which_the_operator_adds_is_restricted_too(rayservice):
    options = rayservice["spec"]["rayClusterConfig"]["autoscalerOptions"]
    assert options["securityContext"] == LOCKED
    assert options["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_kuberay_job_ends(rayjob):
    spec = rayjob["spec"]
    assert 0 < spec["ttlSecondsAfterFinished"] < spec["activeDeadlineSeconds"]
    assert spec["backoffLimit"] > 0
    assert spec["submitterPodTemplate"]["spec"]["restartPolicy"] == "Never"


def test_service_is_what_serve_deploys_and_avis_builds(rayservice, service_groups):
    deployed = load("serve.yaml")
    assert yaml.safe_load(rayservice["spec"]["serveConfigV2"]) == deployed
    ServeDeploySchema.model_validate(deployed)
    [app] = deployed["applications"]
    module, _, builder = app["import_path"].partition(":")
    assert callable(getattr(importlib.import_module(module), builder))
    settings = Settings.of(app["args"])
    assert app["args"].keys() <= Settings.model_fields.keys()
    for group in service_groups.values():
        [token] = container(group)["env"]
        assert (token["name"], *token["valueFrom"]) == (VARIABLE, "secretKeyRef")
    gpu, cpu = (container(service_groups[name])["resources"]["limits"] for name in ("gpu", "cpu"))
    assert settings.replicas.use_gpu
    assert int(gpu["cpu"]) >= settings.replicas.cpus_per_model
    assert service_groups["gpu"]["maxReplicas"] * int(gpu["nvidia.com/gpu"]) >= settings.replicas.models[1]
    assert int(cpu["cpu"]) >= settings.replicas.decoders[0]


def test_a_service_without_tokens_is_not_built_for_a_cluster(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match="no tokens: got none for a cluster"):
        build(load("serve.yaml")["applications"][0]["args"])


def test_every_node_exports_its_metrics_at_one_port(aws, groups, service_groups):
    port = "8080"
    for role in ("head", "worker"):
        assert f"--metrics-export-port={port}" in " ".join(aws[f"{role}_start_ray_commands"])
    for group in (*groups.values(), *service_groups.values()):
        assert group["rayStartParams"]["metrics-export-port"] == port
        annotations = group["template"]["metadata"]["annotations"]
        assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": port}


def run_entrypoint(rayjob: dict[str, Any], folder: Path) -> list[str]:
    """Run the entrypoint with a `python` that prints its arguments, quoted as KubeRay and Ray quote it."""
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    entrypoint = rayjob["spec"]["entrypoint"].replace("/mnt/avis", str(folder))
    submitted = shlex.join(shlex.split(entrypoint))
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(submitted, shell=True, env={"PATH": path}, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_kuberay_entrypoint_starts_a_run_and_goes_on_with_it(rayjob, groups, tmp_path):
    script, *first = run_entrypoint(rayjob, tmp_path)
    assert (PROJECT / Path(script).relative_to("/opt/avis")).is_file()
    assert {"compute=cluster", f"output_dir={tmp_path}", "run=first"} <= set(first)
    of_run = composed("train", *first)
    gpus = groups["gpu"]["replicas"]  # each pod has one
    assert (of_run.run, of_run.compute.use_gpu, of_run.compute.num_workers) == ("first", True, gpus)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "config.json").write_text("{}")
    again = ["compute=cluster", "compute.use_gpu=true", f"compute.num_workers={gpus}", f"output_dir={tmp_path}"]
    assert run_entrypoint(rayjob, tmp_path) == [script, *again, "resume=first"]


def test_everything_runs_the_same_image(aws, rayjob, groups, service_groups):
    version = re.search(r'^version = "(.*)"', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    pods = [group["template"] for group in (*groups.values(), *service_groups.values())]
    pods.append(rayjob["spec"]["submitterPodTemplate"])
    images = {aws["docker"]["image"], *(container({"template": pod})["image"] for pod in pods)}
    assert images == {f"registry.example.com/avis:{version}"}
    assert next(iter(images)) in (CLUSTER / "Dockerfile").read_text()
