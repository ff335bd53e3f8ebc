"""The objects in cluster/kuberay-*.yaml: what the operator makes of them fits together, ends, and keeps to itself."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from avis.serving.application import build
from avis.serving.settings import Settings
from avis.serving.tokens import VARIABLE
from tests.cluster.descriptors import CLUSTER as DESCRIPTORS
from tests.cluster.descriptors import PROJECT, cluster_of, container, groups_of, load, load_all, patched, pods_of
from tests.compositions import composed

UNITS = {"Mi": 2**20, "Gi": 2**30}
LOCKED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
JOB, CLUSTER, SERVICE = "kuberay-rayjob.yaml", "kuberay-raycluster.yaml", "kuberay-rayservice.yaml"
REDIS_SERVICE, REDIS = load_all(DESCRIPTORS / "kuberay-redis.yaml")
WITH_RAY = {name: load(name) for name in (JOB, CLUSTER, SERVICE)}
ON_S3, QUEUED, ON_A_LAPTOP = (patched(JOB, f"kuberay-{name}.patch.yaml") for name in ("s3", "kueue", "kind"))
VARIANTS = {**WITH_RAY, "on S3": ON_S3, "queued": QUEUED, "on a laptop": ON_A_LAPTOP}


@pytest.fixture(scope="module")
def rayjob() -> dict[str, Any]:
    return WITH_RAY[JOB]


@pytest.fixture(scope="module")
def rayservice() -> dict[str, Any]:
    return WITH_RAY[SERVICE]


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line.split(";")[0])


def size(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def mounts_of(group: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the volume that each path of a group's pods shows."""
    volumes = {volume["name"]: volume for volume in group["template"]["spec"]["volumes"]}
    mounts = {mount["mountPath"]: volumes.pop(mount["name"]) for mount in container(group)["volumeMounts"]}
    assert volumes == {}, "volumes that nothing mounts"
    return mounts


@pytest.mark.parametrize("name", VARIANTS)
def test_clusters_are_of_the_tested_version_private_and_behind_a_token(name: str, pinned):
    cluster = cluster_of(VARIANTS[name])
    assert cluster["rayVersion"] == pinned["ray"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize(
    ("variant", "name"), [(variant, name) for variant, found in VARIANTS.items() for name in groups_of(found)]
)
def test_pods_have_what_they_ask_for(variant: str, name: str):
    group = groups_of(VARIANTS[variant])[name]
    resources = container(group)["resources"]
    assert resources["requests"] == resources["limits"], "a pod above its request is evicted first"
    assert ("nvidia.com/gpu" in resources["limits"]) == (name == "gpu")
    mounts = mounts_of(group)
    shm = mounts["/dev/shm"]["emptyDir"]
    assert shm["medium"] == "Memory"
    assert size(shm["sizeLimit"]) >= 0.3 * size(resources["limits"]["memory"]), "Ray's object store takes 30 %"
    if variant == "on S3":
        assert mounts.keys() == {"/tmp", "/dev/shm"}
        assert container(group)["envFrom"] == [{"secretRef": {"name": "avis-s3"}}]
    else:
        assert mounts["/mnt/avis"]["persistentVolumeClaim"] == {"claimName": "avis"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_nodes_come_and_go_unless_they_are_reserved_or_there_are_no_more(variant: str):
    """An autoscaler brings the nodes that a training waits for; what Kueue admits must be all that it takes."""
    cluster, groups = cluster_of(VARIANTS[variant]), groups_of(VARIANTS[variant])
    scales = cluster.get("enableInTreeAutoscaling", False)
    assert scales == (variant not in ("queued", "on a laptop"))
    for group in (groups[name] for name in groups.keys() - {"head"}):
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert scales == (group["minReplicas"] < group["maxReplicas"])
    if scales:
        options = cluster["autoscalerOptions"]
        assert options["securityContext"] == LOCKED
        assert options["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert not any("restartPolicy" in pod for pod in pods_of({"spec": cluster})), "the operator refuses most"
    if variant in (JOB, CLUSTER, "on S3"):
        assert groups["gpu"]["minReplicas"] == groups["gpu"]["replicas"] == 0, "none while a job prepares"


@pytest.mark.parametrize(
    ("found", "num_pods"),
    [
        *((found, len(groups_of(found)) + (found["kind"] == "RayJob")) for found in VARIANTS.values()),
        (REDIS, 1),
    ],
    ids=[*VARIANTS, "Redis"],
)
def test_pods_keep_to_what_kubernetes_calls_restricted(found: dict[str, Any], num_pods: int):
    pods = pods_of(found)
    assert len(pods) == num_pods
    for pod in pods:
        context = dict(pod["securityContext"])
        user = context.pop("runAsUser", None)
        assert context.pop("runAsGroup", user) == user != 0
        assert context == {
            "runAsNonRoot": True,
            "fsGroup": user or 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        kinds = {volume["name"]: next(iter(volume.keys() - {"name"})) for volume in pod.get("volumes", [])}
        assert set(kinds.values()) <= {"emptyDir", "persistentVolumeClaim"}
        [only] = pod["containers"]
        assert only["securityContext"] == LOCKED
        if found["kind"] != "StatefulSet":
            mounts = {mount["mountPath"]: kinds[mount["name"]] for mount in only["volumeMounts"]}
            assert mounts["/tmp"] == "emptyDir", "all else of the root is read-only"


@pytest.mark.parametrize("name", [CLUSTER, SERVICE])
def test_heads_that_may_die_keep_what_they_know_in_redis(name: str):
    options = cluster_of(WITH_RAY[name])["gcsFaultToleranceOptions"]
    host, port = options["redisAddress"].split(":")
    [served] = REDIS_SERVICE["spec"]["ports"]
    assert (REDIS_SERVICE["metadata"]["name"], str(served["port"])) == (host, port)
    pod = REDIS["spec"]["template"]
    assert REDIS_SERVICE["spec"]["selector"] == REDIS["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    [only] = pod["spec"]["containers"]
    assert only["args"][-2:] == ["--requirepass", "$(REDISCLI_AUTH)"]
    [variable] = only["env"]
    assert variable == {"name": "REDISCLI_AUTH", **options["redisPassword"]}
    [claim] = REDIS["spec"]["volumeClaimTemplates"]
    assert [mount["name"] for mount in only["volumeMounts"]] == [claim["metadata"]["name"]]


def test_the_cluster_for_many_jobs_is_that_of_one_job_whose_head_may_die():
    """The job's driver is on the head, so that Redis would not save it; a retry has a cluster of its own."""
    of_job, of_many = (dict(cluster_of(WITH_RAY[name])) for name in (JOB, CLUSTER))
    assert of_many.pop("gcsFaultToleranceOptions")
    assert of_many == of_job


def test_the_job_ends(rayjob):
    spec = rayjob["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert 0 < spec["ttlSecondsAfterFinished"] < spec["activeDeadlineSeconds"]
    assert spec["backoffLimit"] > 0
    assert spec["submitterPodTemplate"]["spec"]["restartPolicy"] == "Never"


def test_a_queued_job_waits_until_kueue_lets_it_go():
    assert QUEUED["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "avis"}
    assert QUEUED["spec"]["suspend"] is True
    assert QUEUED["spec"]["shutdownAfterJobFinishes"] is True, "Kueue refuses others"
    assert len(cluster_of(QUEUED)["workerGroupSpecs"]) <= 7, "Kueue takes no more"


def run_entrypoint(found: dict[str, Any], folder: Path) -> list[str]:
    """Run the entrypoint, quoted as KubeRay and Ray quote it, with a `python` that prints the arguments of a pipeline.

    A folder takes the place of the volume or bucket.
    """
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\n[ "$1" != -c ] || exec {sys.executable} "$@"\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    entrypoint = re.sub("/mnt/avis|s3://example-avis", str(folder), found["spec"]["entrypoint"])
    submitted = shlex.join(shlex.split(entrypoint))
    environment = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(submitted, shell=True, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.few(2)
@pytest.mark.parametrize("variant", [JOB, "on S3", "queued", "on a laptop"])
def test_the_entrypoint_starts_a_run_and_goes_on_with_it(variant: str, tmp_path):
    found = VARIANTS[variant]
    script, *first = run_entrypoint(found, tmp_path)
    assert (PROJECT / Path(script).relative_to("/opt/avis")).is_file()
    assert {"compute=cluster", f"output_dir={tmp_path}", "run=first"} <= set(first)
    of_run = composed("train", *first)
    groups = groups_of(found)
    gpus = groups["gpu"]["maxReplicas"] if "gpu" in groups else 0  # each pod has one
    num_workers = gpus or int(container(groups["cpu"])["resources"]["limits"]["cpu"]) // 2  # the others make examples
    assert (of_run.run, of_run.compute.use_gpu, of_run.compute.num_workers) == ("first", gpus > 0, num_workers)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "config.json").write_text("{}")
    again = [argument for argument in first if argument.startswith(("compute", "output_dir"))]
    assert run_entrypoint(found, tmp_path) == [script, *again, "resume=first"]


def test_on_s3_nothing_is_read_or_written_elsewhere():
    arguments = shlex.split(shlex.split(ON_S3["spec"]["entrypoint"])[-1])
    paths = [value for key, _, value in (argument.partition("=") for argument in arguments) if "/" in value]
    assert paths
    assert all(path.startswith("s3://example-avis") for path in paths)


def test_service_is_what_serve_deploys_and_avis_builds(rayservice):
    deployed = load("serve.yaml")
    assert yaml.safe_load(rayservice["spec"]["serveConfigV2"]) == deployed
    ServeDeploySchema.model_validate(deployed)
    [app] = deployed["applications"]
    module, _, builder = app["import_path"].partition(":")
    assert callable(getattr(importlib.import_module(module), builder))
    settings = Settings.of(app["args"])
    assert app["args"].keys() <= Settings.model_fields.keys()
    groups = groups_of(rayservice)
    for group in groups.values():
        [token] = container(group)["env"]
        assert (token["name"], *token["valueFrom"]) == (VARIABLE, "secretKeyRef")
    gpu, cpu = (container(groups[name])["resources"]["limits"] for name in ("gpu", "cpu"))
    assert settings.replicas.use_gpu
    assert int(gpu["cpu"]) >= settings.replicas.cpus_per_model
    assert groups["gpu"]["maxReplicas"] * int(gpu["nvidia.com/gpu"]) >= settings.replicas.models[1]
    assert int(cpu["cpu"]) >= settings.replicas.decoders[0]


def test_a_service_without_tokens_is_not_built_for_a_cluster(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match="no tokens: got none for a cluster"):
        build(load("serve.yaml")["applications"][0]["args"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize(
    ("name", "said_in"), [("s3", "kuberay-s3.patch.yaml"), ("kueue", "kuberay-kueue.patch.yaml"), ("kind", "kind.md")]
)
def test_kubectl_patches_as_we_say(name: str, said_in: str):
    """Run the command that stands there, short of sending what it makes to a cluster."""
    text = (DESCRIPTORS / said_in).read_text()
    said = re.search(r"^#? +(kubectl patch .*?) \| kubectl apply -f -$", text, re.MULTILINE | re.DOTALL).group(1)
    command = shlex.split(re.sub(r"\\\n#?", " ", said))
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert yaml.safe_load(done.stdout) == patched(JOB, f"kuberay-{name}.patch.yaml")
