"""What a worker asks of its node."""

from types import SimpleNamespace

import pytest
import ray

from avis.engine.workers import machine
from avis.engine.workers.on_this_node import cpus_per_gpu


@pytest.mark.parametrize(
    ("has", "expected"),
    [({"CPU": 16.0, "GPU": 1.0}, 16), ({"CPU": 15.0, "GPU": 4.0}, 3), ({"CPU": 1.0, "GPU": 2.0}, 1), ({"GPU": 1.0}, 1)],
)
def test_the_cpus_beside_a_gpu_are_those_of_its_own_node(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, float], expected: int
):
    nodes = [{"NodeID": "other", "Resources": {"CPU": 64.0}}, {"NodeID": "own", "Resources": has}]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "own"))
    assert cpus_per_gpu() == expected


def test_without_ray_they_are_the_machine_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert cpus_per_gpu() == machine.cpus()
