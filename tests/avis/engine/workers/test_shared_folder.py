"""Folders that all nodes of a cluster share, or not."""

import pytest
import ray

from avis.engine.workers import shared_folder
from avis.engine.workers.shared_folder import check_shared

pytestmark = pytest.mark.xdist_group("ray_session")


NODES = ray.nodes


def test_a_folder_that_all_nodes_see_is_left_as_it_was(ray_session, tmp_path, monkeypatch):
    (node,) = [node for node in NODES() if node["Alive"]]
    monkeypatch.setattr(ray, "nodes", lambda: [node, node | {"NodeID": "gone", "Alive": True}])
    asked = []
    monkeypatch.setattr(shared_folder, "_sees", lambda node, file: asked.append(node) or shared_folder._lists(file))
    check_shared(str(tmp_path / "new"))
    assert asked == [node["NodeID"], "gone"]
    assert list((tmp_path / "new").iterdir()) == []


def test_a_node_is_asked_for_what_it_sees(ray_session, tmp_path):
    (node,) = [node["NodeID"] for node in NODES() if node["Alive"]]
    (tmp_path / "there").touch()
    assert shared_folder._sees(node, str(tmp_path / "there"))
    assert not shared_folder._sees(node, str(tmp_path / "elsewhere"))
    assert not shared_folder._sees(node, str(tmp_path / "no" / "folder"))
    assert shared_folder._sees("a" * 56, str(tmp_path / "elsewhere")), "which is gone"


def test_a_folder_that_a_node_does_not_see_is_refused(tmp_path, monkeypatch):
    nodes = [{"NodeID": name, "NodeManagerHostname": f"host-{name}", "Alive": True} for name in "abc"]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(shared_folder, "_sees", lambda node, file: node != "b")
    with pytest.raises(ValueError, match="folder not shared: got one that 1 of 3 nodes do not see, host-b for one"):
        check_shared(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_buckets_and_single_nodes_are_not_probed(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_folder, "_sees", pytest.fail)
    monkeypatch.setattr(
        ray, "nodes", lambda: [{"NodeID": name, "NodeManagerHostname": "", "Alive": True} for name in "ab"]
    )
    check_shared("s3://bucket/out")
    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "a", "NodeManagerHostname": "", "Alive": True}])
    check_shared(str(tmp_path))
