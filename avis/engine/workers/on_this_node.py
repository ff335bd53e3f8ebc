"""What a worker asks of the node that it is on."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from avis.engine.workers import machine


def on_this_node() -> dict[str, Any]:
    """Return the options of an actor that stays on this node, and goes with it: it is of no use without its maker."""
    node = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def cpus_per_gpu() -> int:
    """Return how many CPUs stand beside each GPU of this node, at least one; all that there are without Ray."""
    if not ray.is_initialized():
        return machine.cpus()
    own = ray.get_runtime_context().get_node_id()
    [has] = [node["Resources"] for node in ray.nodes() if node["NodeID"] == own]
    return max(1, int(has.get("CPU", 0) / max(1, has.get("GPU", 0))))
