"""Figures of AVIS among the metrics that Ray exports for Prometheus; see cluster/README.md."""

import functools
from collections.abc import Mapping

import ray
from ray.util.metrics import Gauge

PARTS, PARTS_DONE = "avis_parts", "avis_parts_done"
REJECTED, LOSSES, RUNNING = "avis_rejected_share", "avis_train_losses", "avis_train_running"
DESCRIPTIONS = {
    PARTS: "Parts that a stage has to make in this start.",
    PARTS_DONE: "Parts of them that are made.",
    REJECTED: "Share of the recordings that a store was to hold and does not.",
    LOSSES: "Workers lost since the training was started.",
    RUNNING: "1 while the training runs or waits for workers, then 0.",
    "avis_train_loss": "Loss of the training step.",
    "avis_train_accuracy": "Share of the loss's decisions that were right in the training step.",
    "avis_train_learning_rate": "Learning rate of the first group of weights.",
    "avis_train_samples_per_s": "Examples per second on all workers, since the epoch began.",
    "avis_train_waiting_share": "Share of the epoch's time in which the first worker waited for examples.",
    "avis_train_step": "Steps done.",
    "avis_val_eer": "Equal error rate on held-out training speakers.",
    "avis_time_left_s": "Estimated seconds until the end of the training.",
    "avis_system_memory_gib": "Memory of the first worker.",
    "avis_system_gpu_memory_gib": "The most that the first worker held on its GPU since the last log.",
    "avis_system_gpu_use": "Share of the time in which the first worker's GPU was busy (needs nvidia-ml-py).",
}
"""What is exported, under these names behind Ray's own ``ray_``."""


def set_gauges(values: Mapping[str, float], **tags: str) -> None:
    """Export values of `DESCRIPTIONS`; without a Ray, nothing.

    Parameters
    ----------
    values : mapping of str to float
        By the names there; others are left out.
    **tags : str
        What the values are of, as ``run`` or ``stage``.
    """
    if not ray.is_initialized():
        return
    for name in values.keys() & DESCRIPTIONS.keys():
        _gauge(name, tuple(sorted(tags))).set(float(values[name]), tags=tags)


@functools.cache
def _gauge(name: str, tag_keys: tuple[str, ...]) -> Gauge:
    return Gauge(name, DESCRIPTIONS[name], tag_keys=tag_keys)
