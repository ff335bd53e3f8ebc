"""The dashboard: valid, and of metrics alone that AVIS or Ray exports."""

import json
import re
from pathlib import Path

import pytest
import ray.dashboard

from avis.engine.workers.gauges import DESCRIPTIONS

DASHBOARD = json.loads((Path(__file__).parents[2] / "cluster" / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
QUERIES += [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
METRIC = re.compile(r"\bray_\w+")


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Return the metrics of AVIS, and those that Ray's own dashboards are made of."""
    folder = Path(ray.dashboard.__file__).parent / "modules" / "metrics" / "dashboards"
    of_ray = {name for path in folder.glob("*_panels.py") for name in METRIC.findall(path.read_text())}
    assert len(of_ray) > 100
    return of_ray | {f"ray_{name}" for name in DESCRIPTIONS}


def test_every_metric_is_exported(exported: set[str]):
    shown = {name for query in QUERIES for name in METRIC.findall(query)}
    assert len(shown) > 20
    assert shown - exported == set()


def test_every_figure_of_avis_is_shown():
    shown = " ".join(QUERIES)
    missing = {name for name in DESCRIPTIONS if not re.search(rf"\bray_{name}\b", shown)}
    alerts = {"avis_rejected_share", "avis_train_losses", "avis_train_running"}
    assert missing == {"avis_system_gpu_use", *alerts}, "Ray's own is of all GPUs; there are alerts of the others"


def test_panels_have_numbers_and_places_of_their_own():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24, "Grafana's grid has 24 columns"


def test_it_asks_whoever_imports_it_for_a_prometheus():
    [source, _] = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert {panel["datasource"]["uid"] for panel in PANELS} == {f"${{{source['name']}}}"}


def test_parentheses_and_braces_are_closed():
    for query in QUERIES:
        for opening, closing in ("()", "{}", "[]"):
            assert query.count(opening) == query.count(closing), query
