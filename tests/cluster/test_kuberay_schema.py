"""The objects in cluster/kuberay-*.yaml, as they are and as patched, hold only what KubeRay and Kubernetes know."""

import copy
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import ValidationError

from tests.cluster.descriptors import MANIFESTS, PATCHES, load_all, patched
from tests.cluster.kuberay_schema import SPECS, validator

KUBERNETES = ["1.30", kubernetes_validate.latest_version().removesuffix(".0")]
"""The oldest and the newest that are validated against."""
JOB = "kuberay-rayjob.yaml"
OBJECTS = {f"{path.name} {each['kind']}": each for path in MANIFESTS for each in load_all(path)}
VARIANTS = {path.name: patched(JOB, path.name) for path in PATCHES} | {
    "on S3, queued": patched(JOB, "kuberay-s3.patch.yaml", "kuberay-kueue.patch.yaml")
}
EVERYTHING = OBJECTS | VARIANTS
FREE = {"annotations", "labels", "limits", "matchLabels", "rayStartParams", "requests", "selector"}
"""What takes any key."""


def validate(found: dict[str, Any], kubernetes: str) -> None:
    if found["kind"] in SPECS:
        validator(found["kind"], kubernetes).validate(found)
    else:
        kubernetes_validate.validate(found, kubernetes, strict=True)


def folders(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in an object something stands that holds named fields."""
    if isinstance(node, dict) and not FREE & {*path[-1:]}:
        yield path
        for key, value in node.items():
            yield from folders(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from folders(value, (*path, number))


def test_all_kinds_are_there():
    kinds = [found["kind"] for found in OBJECTS.values()]
    assert sorted(kinds) == ["RayCluster", "RayJob", "RayService", "Service", "StatefulSet"]


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("name", EVERYTHING)
def test_it_is_valid(name: str, kubernetes: str):
    validate(EVERYTHING[name], kubernetes)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_unknown_field_is_refused_wherever_it_stands(name: str):
    for path in folders(OBJECTS[name]):
        changed = copy.deepcopy(OBJECTS[name])
        node = changed
        for key in path:
            node = node[key]
        node["unheardOf"] = "x"
        with pytest.raises(ValidationError):
            validate(changed, KUBERNETES[0])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "rayClusterSpec", "rayVersion"), 2.6),
        (("spec", "rayClusterSpec", "authOptions", "mode"), "password"),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 1, "minReplicas"), "0"),
        (("spec", "submitterPodTemplate", "spec", "restartPolicy"), 1),
        (("spec", "backoffLimit"), -1),
    ],
)
def test_a_value_of_another_type_is_refused(path: tuple[Any, ...], value: Any):
    changed = copy.deepcopy(OBJECTS[f"{JOB} RayJob"])
    *above, last = path
    node: Any = changed
    for key in above:
        node = node[key]
    node[last] = value
    with pytest.raises(ValidationError):
        validate(changed, KUBERNETES[0])
