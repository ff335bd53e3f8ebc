"""The descriptors in cluster/ together: none missing, none public, all behind a token, of one version, watched."""

import re

import pytest

from tests.cluster.descriptors import (
    CLUSTER,
    CLUSTER_SPECS,
    MANIFESTS,
    PROJECT,
    YAMLS,
    container,
    groups_of,
    load,
    load_all,
    pods_of,
    walk,
)

RAY_PORTS = {6379, 8265, 10001}
WORLD = {"0.0.0.0/0", "::/0"}
CLOUDS = [load(name) for name in ("aws.yaml", "gcp.yaml")]
WITH_TOKEN = [path for path in YAMLS if path.name != "alerts.yaml"]
UPS = [*CLOUDS, load("onprem.yaml")]
OBJECTS = [found for path in MANIFESTS for found in load_all(path)]
WITH_RAY = [found for found in OBJECTS if found["kind"] in CLUSTER_SPECS]


def test_folder_holds_descriptors_only():
    assert {path.name for path in CLUSTER.iterdir()} == {
        "README.md",
        "Dockerfile",
        "alerts.yaml",
        "avis-ray.service",
        "aws.yaml",
        "gcp.yaml",
        "grafana-dashboard.json",
        "kind.md",
        "kuberay-kind.patch.yaml",
        "kuberay-kueue.patch.yaml",
        "kuberay-raycluster.yaml",
        "kuberay-rayjob.yaml",
        "kuberay-rayservice.yaml",
        "kuberay-redis.yaml",
        "kuberay-s3.patch.yaml",
        "onprem.yaml",
        "serve.yaml",
        "slurm.sbatch",
    }


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_opens_no_port_to_the_world(path):
    pairs = walk(load_all(path))
    values = {value for _, value in pairs if isinstance(value, str | int)}
    assert not values & WORLD
    assert not values & {"LoadBalancer", "NodePort", "Ingress", "Route"}
    keys = {key for key, _ in pairs}
    assert not keys & {"hostPort", "hostNetwork", "nodePort", "enableIngress", "IpPermissions"}
    published = re.findall(r"(?:--publish|-p)[ =](\S+)", path.read_text())
    assert not [port for port in published if any(str(number) in port for number in RAY_PORTS)]
    assert "dashboard-host=0.0.0.0" not in path.read_text()


@pytest.mark.parametrize(
    "path", [*WITH_TOKEN, CLUSTER / "Dockerfile", CLUSTER / "avis-ray.service"], ids=lambda path: path.name
)
def test_asks_for_a_token_and_holds_none(path):
    text = path.read_text()
    wanted = "--requirepass" if path.name == "kuberay-redis.yaml" else r"RAY_AUTH_MODE=token|authOptions:\s+mode: token"
    assert re.search(wanted, text)
    assert "RAY_AUTH_TOKEN=" not in text
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)


def test_every_node_exports_its_metrics_at_one_port():
    port = "8080"
    for up in UPS:
        for role in ("head", "worker"):
            assert f"--metrics-export-port={port}" in " ".join(up[f"{role}_start_ray_commands"])
    for found in WITH_RAY:
        for group in groups_of(found).values():
            assert group["rayStartParams"]["metrics-export-port"] == port
            annotations = group["template"]["metadata"]["annotations"]
            assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": port}


def test_everything_runs_the_same_image():
    version = re.search(r'^version = "(.*)"', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    of_pods = [container({"template": {"spec": pod}})["image"] for found in WITH_RAY for pod in pods_of(found)]
    images = {*of_pods, *(cloud["docker"]["image"] for cloud in CLOUDS)}
    assert images == {f"registry.example.com/avis:{version}"}
    assert next(iter(images)) in (CLUSTER / "Dockerfile").read_text()
