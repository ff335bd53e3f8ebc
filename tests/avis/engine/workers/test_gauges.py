"""Figures among the metrics that Ray exports for Prometheus."""

import re
import time
import urllib.request

import pytest
import ray

from avis.engine.watching import TrainingGauges
from avis.engine.workers.gauges import PARTS, PARTS_DONE, set_gauges


def exported(name: str, tag: str, *, timeout_s: float = 60) -> str:
    """Return the value of a metric as Prometheus would read it, once it is there."""
    [node] = ray.nodes()
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        if found := re.search(rf"^ray_{name}{{.*\b{tag}[,}}].* (\S+)$", text, re.MULTILINE):
            return found[1]
        time.sleep(0.5)
    return "nothing"


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_what_the_driver_and_a_trainer_set_is_exported():
    @ray.remote(num_cpus=0)
    class Trainer:
        def log(self) -> None:
            logger = TrainingGauges("first")
            logger.log_metrics({"train/loss": 2.5, "val/eer": 0.125, "work/decode_s": 1.0}, step=7)

    trainer = Trainer.remote()
    ray.get(trainer.log.remote())
    set_gauges({PARTS: 8, PARTS_DONE: 3}, stage="prepare")
    assert exported("avis_parts_done", 'stage="prepare"') == "3.0"
    assert exported("avis_train_loss", 'run="first"') == "2.5"
    assert exported("avis_val_eer", 'run="first"') == "0.125"
    assert exported("avis_train_step", 'run="first"') == "7.0"
    assert exported("avis_work_decode_s", 'run="first"', timeout_s=0.5) == "nothing", "only what is described"


def test_without_a_ray_nothing_is_exported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    set_gauges({PARTS: 1}, stage="prepare")
