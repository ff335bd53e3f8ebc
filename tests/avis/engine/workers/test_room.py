"""Room for a training on a cluster."""

import re
import threading
import time

import pytest
import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

from avis.engine.workers.room import wait_for_room

pytestmark = pytest.mark.xdist_group("ray_session")


def held() -> list[str]:
    return [key for key, group in placement_group_table().items() if group["state"] != "REMOVED"]


def test_room_that_is_there_is_not_waited_for(ray_session, capsys):
    before = held()
    wait_for_room([{"CPU": 1.0}], what="training", within_minutes=1)
    assert capsys.readouterr().out == ""
    assert held() == before, "what was asked for is given back"


def test_room_that_another_run_has_is_waited_for(ray_session, capsys):
    there = ray.cluster_resources()
    (own,) = [kind for kind in there if kind.startswith("node:") and kind != "node:__internal_head__"]
    other = placement_group([{own: 1.0}])  # of which each node has one, and no test before this may have it
    ray.get(other.ready(), timeout=60)
    threading.Timer(4.0, remove_placement_group, [other]).start()
    wait_for_room([{own: 1.0}], what="training", within_minutes=5)
    told = rf"training: waits for 0 GPUs and 0 CPUs; .* free of 0 GPUs and {there['CPU']:g} CPUs, at most 5 min more\n"
    assert re.fullmatch(told, capsys.readouterr().out)


def test_room_that_never_comes_is_told_in_time(ray_session):
    before, began = held(), time.monotonic()
    with pytest.raises(ValueError, match=r"no room for training: got .* within 0.02 min, expected 2 GPUs and 0 CPU"):
        wait_for_room([{"GPU": 1.0}] * 2, what="training", within_minutes=0.02)
    assert time.monotonic() - began < 60
    assert held() == before
