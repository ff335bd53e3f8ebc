"""What a worker asks of its node."""

from types import SimpleNamespace

import pytest
import ray

from avis.engine.workers import machine
from avis.engine.workers.on_this_node import cpus_per_gpu


@pytest.mark.parametrize(
    ("has", "assigned", "expected"),
    [
        ({"CPU": 16.0, "GPU": 1.0}, {"CPU": 1.0, "GPU": 1.0}, (16.0, 1.0)),
        ({"CPU": 16.0, "GPU": 1.0}, {"CPU": 1.0, "GPU": 0.25}, (4.0, 0.25)),
        ({"CPU": 16.0, "GPU": 4.0}, {}, (4.0, 1.0)),
        ({"CPU": 1.0, "GPU": 2.0}, {"GPU": 1.0}, (0.5, 1.0)),
    ],
)
def test_the_cpus_beside_a_gpu_are_those_of_its_own_node(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, float], assigned: dict[str, float], expected: tuple[float, float]
):
    nodes = [{"NodeID": "other", "Resources": {"CPU": 64.0}}, {"NodeID": "own", "Resources": has}]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    own = SimpleNamespace(get_node_id=lambda: "own", get_assigned_resources=lambda: assigned)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: own)
    assert cpus_per_gpu() == expected


def test_without_ray_they_are_the_machine_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert cpus_per_gpu() == (machine.cpus(), 1.0)
