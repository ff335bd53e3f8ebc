"""Make sure that all nodes of a cluster see what is written and what is read."""

import os
import uuid
from collections.abc import Callable

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from avis import location

WITHIN_S = 120.0
"""Nodes start a process to look."""


def check_shared(folder: str) -> None:
    """Refuse a local folder that a node of the cluster does not share with this one.

    Parameters
    ----------
    folder : str
        Local path, which is made, or URI, which all can reach.

    Raises
    ------
    ValueError
        Naming a node that sees another folder, or none.
    """
    if location.is_uri(folder) or len(_nodes()) < 2:
        return
    os.makedirs(folder, exist_ok=True)
    probe = os.path.join(folder, f".{uuid.uuid4().hex}")
    with open(probe, "x", encoding="utf-8"):
        pass
    try:
        blind = _blind(probe, by=_lists)
    finally:
        os.remove(probe)
    if blind:
        raise ValueError(
            f"folder not shared: got one that {len(blind)} of {len(_nodes())} nodes do not see, {blind[0]} for one, "
            f"expected one that all share. At {folder}. Set output_dir to a network file system that is mounted on all "
            "nodes under one path, or to a bucket (s3://...)."
        )


def check_seen(file: str, *, key: str) -> None:
    """Refuse a local file that this node has and another node of the cluster does not see.

    Parameters
    ----------
    file : str
        One of those that are to be read: a local path, or URI, which all can reach.
    key : str
        The configuration's key that leads to it.

    Raises
    ------
    ValueError
        Naming the key, and a node that does not see the file.
    """
    file = file.removeprefix("file://")
    if location.is_uri(file) or len(_nodes()) < 2:
        return
    if blind := _blind(file, by=_reads):
        raise ValueError(
            f"audio not shared: got a file that {len(blind)} of {len(_nodes())} nodes do not see, {blind[0]} for one, "
            f"expected one that all share. At {key}, {file}. Keep the audio on a network file system that is mounted "
            "on all nodes under one path, or in a bucket (s3://...)."
        )


def _nodes() -> dict[str, str]:
    return {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}


def _blind(file: str, *, by: Callable[[str], bool]) -> list[str]:
    """Return the names of the nodes that do not see a file."""
    nodes = _nodes()
    asked = {node: _asked(node, by, file) for node in nodes}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=WITHIN_S)
    return [nodes[node] for node, answer in asked.items() if not _sees(answer)]


def _asked(node: str, sees: Callable[[str], bool], file: str) -> ray.ObjectRef:
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(sees).options(num_cpus=0, scheduling_strategy=there).remote(file)


def _sees(answer: ray.ObjectRef) -> bool:
    """Return whether a node sees the file; one that is gone or too slow to say will tell when it writes."""
    try:
        return bool(ray.get(answer, timeout=0))
    except RayError:
        return True


def _reads(file: str) -> bool:
    return os.access(file, os.R_OK)


def _lists(file: str) -> bool:
    """Look by listing the folder, which network file systems do not answer out of what they remember."""
    try:
        return os.path.basename(file) in os.listdir(os.path.dirname(file))
    except OSError:
        return False
