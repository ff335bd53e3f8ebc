"""Read the descriptors in cluster/."""

import json
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

PROJECT = Path(__file__).parents[2]
CLUSTER = PROJECT / "cluster"
PATCHES = sorted(CLUSTER.glob("*.patch.yaml"))
YAMLS = sorted({*CLUSTER.glob("*.yaml")} - {*PATCHES})
MANIFESTS = [path for path in YAMLS if path.name.startswith("kuberay-")]
CLUSTER_SPECS = {"RayCluster": (), "RayJob": ("rayClusterSpec",), "RayService": ("rayClusterConfig",)}
"""Where in an object's `spec` its cluster stands."""


def load(name: str) -> Any:
    return yaml.safe_load((CLUSTER / name).read_text())


def load_all(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def patched(name: str, *patches: str) -> dict[str, Any]:
    """Return a manifest as `kubectl patch --type json` makes it."""
    manifest = json.loads(json.dumps(load(name)))  # parts that anchors share are changed one by one
    for patch in patches:
        manifest = jsonpatch.apply_patch(manifest, load(patch))
    return manifest


def walk(node: Any) -> list[tuple[str, Any]]:
    """Return every key and value at and below a node."""
    if isinstance(node, dict):
        return [pair for key, value in node.items() for pair in ((key, value), *walk(value))]
    return [pair for item in node for pair in walk(item)] if isinstance(node, list) else []


def cluster_of(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    for key in CLUSTER_SPECS[manifest["kind"]]:
        spec = spec[key]
    return spec


def groups_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = cluster_of(manifest)
    return {"head": cluster["headGroupSpec"], **{group["groupName"]: group for group in cluster["workerGroupSpecs"]}}


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return only


def pods_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what specifies each kind of pod of an object."""
    return [value for key, value in walk(manifest) if key == "spec" and "containers" in value]
