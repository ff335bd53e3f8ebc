"""What a worker asks of the node that it is on."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from avis.engine.workers import machine


def on_this_node() -> dict[str, Any]:
    """Return the options of an actor that stays on this node, and goes with it: it is of no use without its maker."""
    node = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def cpus_per_gpu() -> tuple[float, float]:
    """Return how many CPUs of this node stand beside this worker's GPU, or its share of one, and that share.

    Without Ray they are all that there are, beside a whole GPU.
    """
    if not ray.is_initialized():
        return float(machine.cpus()), 1.0
    context = ray.get_runtime_context()
    [has] = [node["Resources"] for node in ray.nodes() if node["NodeID"] == context.get_node_id()]
    share = context.get_assigned_resources().get("GPU", 1.0)
    return share * has.get("CPU", 0.0) / max(1.0, has.get("GPU", 0.0)), share
