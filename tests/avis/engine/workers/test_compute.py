"""Sessions: where a run takes place, and on how much."""

import os
from typing import Any

import pytest
import ray
import torch

from avis.engine.workers import machine
from avis.engine.workers.compute import Compute


def compute(**changed: Any) -> Compute:
    return Compute(**({"where": "debug", "num_workers": None, "use_gpu": None, "max_restarts": 0} | changed))


def test_debugging_needs_no_ray(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "init", None)
    debug = compute()
    debug.connect()
    assert debug.in_process
    assert debug.num_train_workers() == (1, 1)
    assert compute(num_workers=5).num_train_workers() == (1, 1)


@pytest.mark.parametrize(("where", "address"), [("local", "local"), ("cluster", "auto")])
def test_local_starts_a_ray_and_cluster_joins_one(monkeypatch: pytest.MonkeyPatch, where: str, address: str):
    asked: dict[str, Any] = {}
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **kwargs: asked.update(kwargs))
    compute(where=where).connect()
    assert asked["address"] == address
    assert asked["runtime_env"]["worker_process_setup_hook"] == "avis.engine.workers.process_setup.setup_worker"
    assert asked.get("num_cpus", 3) >= 3
    assert ("num_cpus" in asked) == (where == "local")


def test_a_large_host_of_which_little_is_granted_gets_few_workers(monkeypatch: pytest.MonkeyPatch):
    started: list[int] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(machine, "cpus", lambda: 1)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr("avis.engine.workers.compute.start", started.append)
    compute(where="local").connect()
    compute(where="local", num_workers=6).connect()
    monkeypatch.setattr(machine, "cpus", lambda: 128)
    monkeypatch.setattr(machine, "memory_bytes", lambda: 10 * 2**30)
    compute(where="local").connect()
    assert started == [3, 8, 10]


def test_a_session_that_is_there_is_used(ray_session: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "init", None)
    compute(where="local").connect()


@pytest.mark.parametrize(
    ("gpus", "asked", "expected"),
    [
        (0, {"use_gpu": None}, (0, (1, 1))),
        (0, {"use_gpu": None, "num_workers": 3}, (0, (3, 3))),
        (4, {"use_gpu": None}, (4, (4, 4))),
        (4, {"use_gpu": True, "num_workers": 2}, (4, (2, 2))),
        (4, {"use_gpu": None, "num_workers": [2, 8]}, (4, (2, 8))),
        (4, {"use_gpu": False}, (0, (1, 1))),
        (4, {"use_gpu": False, "num_workers": 1}, (0, (1, 1))),
    ],
)
def test_workers_and_gpus_follow_what_is_there(
    monkeypatch: pytest.MonkeyPatch, gpus: int, asked: dict[str, Any], expected: tuple[int, tuple[int, int]]
):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)  # or one would be started, and stay
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0} | ({"GPU": float(gpus)} if gpus else {}))
    local = compute(where="local", **asked)
    assert (local.num_gpus(), local.num_train_workers()) == expected


@pytest.mark.parametrize(
    ("gpus", "use_gpu", "num_workers", "needed"), [(0, True, None, 1), (1, True, 2, 2), (1, None, 2, 2)]
)
def test_missing_gpus_are_said(
    monkeypatch: pytest.MonkeyPatch, gpus: int, use_gpu: bool | None, num_workers: int | None, needed: int
):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": float(gpus)})
    message = f"GPU missing: got {gpus} GPUs, expected at least {needed}. At compute.use_gpu"
    with pytest.raises(ValueError, match=message):
        compute(where="local", use_gpu=use_gpu, num_workers=num_workers).num_gpus()


@pytest.mark.parametrize(
    "asked", [{"use_gpu": None}, {"use_gpu": None, "num_workers": 2}, {"use_gpu": True, "num_workers": None}]
)
def test_a_cluster_without_gpus_yet_is_told_whether_to_wait(monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0})
    with pytest.raises(ValueError, match=r"no GPU in the cluster: got use_gpu=.* expected to be told what to wait for"):
        compute(where="cluster", **asked).num_train_workers()


@pytest.mark.parametrize(
    ("gpus", "asked", "expected"),
    [
        (0, {"use_gpu": True, "num_workers": 2}, (2, (2, 2))),
        (1, {"use_gpu": True, "num_workers": [2, 8]}, (2, (2, 8))),
        (4, {"use_gpu": None}, (4, (4, 4))),
        (0, {"use_gpu": False, "num_workers": 3}, (0, (3, 3))),
    ],
)
def test_gpus_that_a_cluster_waits_for_count(
    monkeypatch: pytest.MonkeyPatch, gpus: int, asked: dict[str, Any], expected: tuple[int, tuple[int, int]]
):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0} | ({"GPU": float(gpus)} if gpus else {}))
    on_cluster = compute(where="cluster", **asked)
    assert (on_cluster.num_gpus(), on_cluster.num_train_workers()) == expected


@pytest.mark.parametrize(("data_cpus", "there", "taken"), [(None, 64, 64), (24, 64, 24), (24, 16, 16), (1, 0.5, 0.5)])
def test_no_more_cpus_are_taken_than_may_be(data_cpus: int | None, there: float, taken: float):
    assert compute(data_cpus=data_cpus).bounded(there) == taken


@pytest.mark.parametrize("bounds", [[3], [4, 2], [1, 2, 3]])
def test_what_is_no_range_of_workers_is_refused(bounds: list[int]):
    with pytest.raises(ValueError, match=r"no range of workers: got num_workers=.*expected the fewest and the most"):
        compute(num_workers=bounds)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_missing_gpus_are_said_when_debugging():
    with pytest.raises(ValueError, match="GPU missing: got 0 GPUs"):
        compute(use_gpu=True).num_gpus()
