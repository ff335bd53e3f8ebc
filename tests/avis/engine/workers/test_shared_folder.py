"""Folders that all nodes of a cluster share, or not."""

import pytest
import ray

from avis.engine.workers import shared_folder
from avis.engine.workers.shared_folder import check_seen, check_shared

pytestmark = pytest.mark.xdist_group("ray_session")


@pytest.fixture
def two_names(ray_session, monkeypatch):
    """Make this node pass for two, which are on one host."""
    (node,) = [node for node in ray.nodes() if node["Alive"]]
    node = node | {"NodeManagerHostname": "host"}
    monkeypatch.setattr(ray, "nodes", lambda: [node | {"NodeID": "a" * 56}, node])


def test_a_folder_that_nodes_see_is_left_as_it_was(two_names, tmp_path):
    check_shared(str(tmp_path / "new"))  # the other node is none that there is
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_a_node_does_not_see_is_refused(two_names, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "_asked", lambda node, sees, file: ray.put(node != "a" * 56))
    with pytest.raises(ValueError, match="folder not shared: got one that 1 of 2 nodes do not see, host for one"):
        check_shared(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_audio_that_nodes_see_is_only_looked_at(two_names, tmp_path):
    (tmp_path / "a.wav").touch()
    check_seen(str(tmp_path / "a.wav"), key="corpus.sources.vox2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_audio_that_a_node_does_not_see_is_refused_with_its_key(two_names, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "_asked", lambda node, sees, file: ray.put(node != "a" * 56))
    for file in ("/data/a.wav", "file:///data/a.wav"):
        with pytest.raises(
            ValueError, match=r"audio not shared: .* 1 of 2 nodes .* At corpus.sources.vox2, /data/a.wav"
        ):
            check_seen(file, key="corpus.sources.vox2")


def test_a_file_that_is_but_a_name_is_not_read(tmp_path):
    (tmp_path / "there").touch()
    (tmp_path / "unmounted").symlink_to(tmp_path / "nowhere")
    assert [shared_folder._reads(str(tmp_path / name)) for name in ("there", "unmounted")] == [True, False]


def test_a_folder_is_listed(tmp_path):
    (tmp_path / "there").touch()
    seen = [shared_folder._lists(str(tmp_path / name)) for name in ("there", "elsewhere", "no/folder", "there/below")]
    assert seen == [True, False, False, False]


def test_buckets_and_single_nodes_are_not_probed(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_folder, "_asked", pytest.fail)
    monkeypatch.setattr(
        ray, "nodes", lambda: [{"NodeID": name, "NodeManagerHostname": "", "Alive": True} for name in "ab"]
    )
    check_shared("s3://bucket/out")
    check_seen("s3://bucket/a.wav", key="corpus.sources.vox2")
    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "a", "NodeManagerHostname": "", "Alive": True}])
    check_shared(str(tmp_path))
