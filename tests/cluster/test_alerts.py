"""The alerts: of metrics alone that are exported, and raised when they should be, as Prometheus's own tool says."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import ray.dashboard
import yaml

from avis.engine.workers.gauges import DESCRIPTIONS
from avis.serving.measures import Measures

ALERTS = Path(__file__).parents[2] / "cluster" / "alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
METRIC = re.compile(r"\b(?:ray|avis)_\w+")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: Debian's package prometheus has it")

STEP, LOST = 'ray_avis_train_step{run="r"}', 'ray_avis_train_losses{run="r"}'
DONE, PARTS = 'ray_avis_parts_done{stage="prepare"}', 'ray_avis_parts{stage="prepare"}'
NODES = ['ray_node_mem_total{instance="a"}', 'ray_node_mem_total{instance="b"}']
USED, FREE = 'ray_node_disk_usage{instance="a"}', 'ray_node_disk_free{instance="a"}'
RAISED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "TrainingStarved": (
        {'ray_avis_train_waiting_share{run="r"}': "0.3x90"},
        {'ray_avis_train_waiting_share{run="r"}': "0.1x90"},
    ),
    "TrainingStalled": ({STEP: "5x90"}, {STEP: "0+1x90"}),
    "TrainingRestartsWithoutProgress": (
        {LOST: "0x60 1x9 2x9 3x12", STEP: "7x90"},
        {LOST: "0x60 1x9 2x9 3x12", STEP: "0+1x90"},
    ),
    "StageStalled": ({DONE: "3x90", PARTS: "9x90"}, {DONE: "9x90", PARTS: "9x90"}),
    "RecordingsRejected": (
        {'ray_avis_rejected_share{stage="prepare"}': "0.02x90"},
        {'ray_avis_rejected_share{stage="prepare"}': "0.001x90"},
    ),
    "NodeLost": (
        {NODES[0]: "1x90", NODES[1]: "1x82 stale", STEP: "0+1x90"},
        {NODES[0]: "1x90", NODES[1]: "1x82 stale"},
    ),
    "ObjectsSpilled": (
        {'ray_object_store_memory{Location="SPILLED"}': "1000x90"},
        {'ray_object_store_memory{Location="SPILLED"}': "0x90", 'ray_object_store_memory{Location="MMAP_SHM"}': "9x90"},
    ),
    "MemoryShort": (
        {'ray_node_mem_used{instance="a"}': "93x90", 'ray_node_mem_total{instance="a"}': "100x90"},
        {'ray_node_mem_used{instance="a"}': "80x90", 'ray_node_mem_total{instance="a"}': "100x90"},
    ),
    "DiskFull": ({USED: "95x90", FREE: "5x90"}, {USED: "50x90", FREE: "50x90"}),
    "RequestsFail": (
        {'avis_requests_total{status="503"}': "0+1x90", 'avis_requests_total{status="200"}': "0+9x90"},
        {'avis_requests_total{status="429"}': "0+1x90", 'avis_requests_total{status="200"}': "0+9x90"},
    ),
    "AnswersLate": (
        {f'avis_request_seconds_bucket{{le="{le}"}}': f"0+{n}x90" for le, n in (("2.5", 5), ("5.0", 9), ("+Inf", 10))},
        {f'avis_request_seconds_bucket{{le="{le}"}}': f"0+{n}x90" for le, n in (("2.5", 10), ("+Inf", 10))},
    ),
}
"""Series of a value a minute that raise each alert after 90 minutes, and such that do not."""


def exported() -> set[str]:
    """Return the metrics of trainings, those that Ray's own dashboards are made of, and those of a service."""
    panels = Path(ray.dashboard.__file__).parent / "modules" / "metrics" / "dashboards"
    of_ray = {name for path in panels.glob("*_panels.py") for name in METRIC.findall(path.read_text())}
    service = Measures("a")
    service.answered("/v1/verify", 200, 0.1)
    return of_ray | {f"ray_{name}" for name in DESCRIPTIONS} | {*METRIC.findall(service.text().decode())}


def test_every_metric_is_exported():
    asked = {name for rule in RULES for name in METRIC.findall(rule["expr"])}
    assert len(asked) > 10
    assert asked - exported() == set()


def test_each_says_what_it_is_and_what_to_do():
    for rule in RULES:
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")
    assert [rule["alert"] for rule in RULES] == list(RAISED)


@needs_promtool
def test_prometheus_takes_the_rules():
    checked = subprocess.run([PROMTOOL, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"SUCCESS: {len(RULES)} rules found" in checked.stdout


@needs_promtool
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_raised_when_it_should_be_and_only_then(rule: dict[str, Any], tmp_path: Path):
    for series, is_raised in zip(RAISED[rule["alert"]], (True, False), strict=True):
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}})',
                    "eval_time": "90m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if is_raised else [],
                }
            ],
        }
        file = tmp_path / "test.yaml"
        file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
        told = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
