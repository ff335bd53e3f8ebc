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

FIRST, SECOND, THIRD, FOURTH = (f'ray_avis_train_step{{run="r", WorkerId="{worker}"}}' for worker in range(1, 5))
LOST, RUNNING = (f'ray_avis_train_{name}{{run="r", WorkerId="driver"}}' for name in ("losses", "running"))
DONE, PARTS = 'ray_avis_parts_done{stage="prepare"}', 'ray_avis_parts{stage="prepare"}'
NODES = ['ray_node_mem_total{instance="a"}', 'ray_node_mem_total{instance="b"}']
USED, FREE = 'ray_node_disk_usage{instance="a"}', 'ray_node_disk_free{instance="a"}'
Series = dict[str, str]
RAISED: dict[str, tuple[list[Series], list[Series]]] = {
    "TrainingStarved": (
        [{'ray_avis_train_waiting_share{run="r"}': "0.3x90"}],
        [{'ray_avis_train_waiting_share{run="r"}': "0.1x90"}],
    ),
    "TrainingStalled": (
        [
            {RUNNING: "1x90", FIRST: "5x90"},  # an exchange hangs
            {RUNNING: "1x90", FIRST: "0+1x60 stale"},  # a node is lost, and none comes
            {RUNNING: "1x90"},  # none came to begin with
        ],
        [
            {RUNNING: "1x90", FIRST: "0+1x90"},
            {RUNNING: "1x90", FIRST: "0+1x60 stale", SECOND: "_x77 50+1x13"},  # it went on
            {RUNNING: "1x90", FIRST: "0+1x76 stale"},  # a node is yet to come
            {RUNNING: "_x80 1x10"},
            {RUNNING: "1x60 0x30", FIRST: "0+1x60 stale"},  # it ended, and scoring goes on
            {RUNNING: "1x60 stale", FIRST: "0+1x60 stale"},
        ],
    ),
    "TrainingLostWorkers": (
        [{LOST: "0x70 1x20", NODES[0]: "1x90", NODES[1]: "1x70 stale"}],
        [
            {LOST: "0x20 2x70"},  # long ago
            {LOST: "0x90", FIRST: "0+1x90", NODES[0]: "1x90", NODES[1]: "1x70 stale"},  # an idle node was taken back
        ],
    ),
    "TrainingRestartsWithoutProgress": (
        [
            {LOST: "0x60 1x9 2x9 3x12", FIRST: "7x90"},
            {LOST: "0x60 1x9 2x9 3x12"},
            {  # steps 130 to 139 again and again
                LOST: "0x40 1x15 2x12 3x12 4x15",
                FIRST: "100+1x39 stale",
                SECOND: "_x45 130+1x9 stale",
                THIRD: "_x59 130+1x9 stale",
                FOURTH: "_x72 130+1x9 stale",
            },
        ],
        [
            {LOST: "0x60 1x9 2x9 3x12", FIRST: "0+1x61 stale", SECOND: "_x63 55+1x7 stale", THIRD: "_x73 60+1x17"},
            {LOST: "_x75 0x3 1x4 2x8", FIRST: "_x76 0+1x3 stale", SECOND: "_x81 2+1x9"},  # it has just begun
            {LOST: "0x70 1x20", FIRST: "7x90"},
        ],
    ),
    "StageStalled": (
        [{DONE: "3x90", PARTS: "9x90"}, {DONE: "2x57 3x33", PARTS: "9x90"}],
        [
            {DONE: "9x90", PARTS: "9x90"},
            {DONE: "2x62 3x28", PARTS: "9x90"},  # the last part is not yet 30 minutes old
            {DONE: "_x65 0x25", PARTS: "_x65 9x25"},
        ],
    ),
    "RecordingsRejected": (
        [{'ray_avis_rejected_share{stage="prepare"}': "0.02x90"}],
        [{'ray_avis_rejected_share{stage="prepare"}': "0.001x90"}],
    ),
    "ObjectsSpilled": (
        [{'ray_object_store_memory{Location="SPILLED"}': "1000x90"}],
        [
            {
                'ray_object_store_memory{Location="SPILLED"}': "0x90",
                'ray_object_store_memory{Location="MMAP_SHM"}': "9x90",
            }
        ],
    ),
    "MemoryShort": (
        [{'ray_node_mem_used{instance="a"}': "93x90", 'ray_node_mem_total{instance="a"}': "100x90"}],
        [{'ray_node_mem_used{instance="a"}': "80x90", 'ray_node_mem_total{instance="a"}': "100x90"}],
    ),
    "DiskFull": (
        [{USED: "95x90", FREE: "5x90"}],
        [{USED: "50x90", FREE: "50x90"}, {USED: "0x90", FREE: "1x90"}],  # the second is what Ray says in a pod
    ),
    "RequestsFail": (
        [{'avis_requests_total{status="503"}': "0+1x90", 'avis_requests_total{status="200"}': "0+9x90"}],
        [{'avis_requests_total{status="429"}': "0+1x90", 'avis_requests_total{status="200"}': "0+9x90"}],
    ),
    "AnswersLate": (
        [
            {
                f'avis_request_seconds_bucket{{le="{le}"}}': f"0+{n}x90"
                for le, n in (("2.5", 5), ("5.0", 9), ("+Inf", 10))
            }
        ],
        [{f'avis_request_seconds_bucket{{le="{le}"}}': f"0+{n}x90" for le, n in (("2.5", 10), ("+Inf", 10))}],
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
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert [rule["alert"] for rule in RULES] == list(RAISED)


@needs_promtool
def test_prometheus_takes_the_rules():
    checked = subprocess.run([PROMTOOL, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"SUCCESS: {len(RULES)} rules found" in checked.stdout


@needs_promtool
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_raised_when_it_should_be_and_only_then(rule: dict[str, Any], tmp_path: Path):
    firing = f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}})'
    raised, silent = RAISED[rule["alert"]]
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": firing, "eval_time": "90m", "exp_samples": samples}],
        }
        for cases, samples in ((raised, [{"labels": "{}", "value": 1}]), (silent, []))
        for series in cases
    ]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    told = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
