"""Wait until a cluster has room for a training, and say for what."""

import time
from collections.abc import Mapping

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from avis.engine.workers.stopping import STOPPING

LOOKS_EVERY_S, TOLD_EVERY_S = 1.0, 60.0


def wait_for_room(num_workers: int, *, use_gpu: bool, within_minutes: float) -> None:
    """Wait until there is room for the workers of a training and one CPU that makes their examples.

    An autoscaler brings nodes for what is waited for, and another run may end meanwhile.

    Parameters
    ----------
    num_workers : int
    use_gpu : bool
        Whether each worker has a GPU.
    within_minutes : float

    Raises
    ------
    ValueError
        If there is no room by then.
    KeyboardInterrupt
        If it is told to stop.
    """
    worker = {"CPU": 1.0, "GPU": 1.0} if use_gpu else {"CPU": 1.0}
    wanted = {"GPU": num_workers * use_gpu, "CPU": num_workers + 1}
    began = time.monotonic()
    told_at, left_s = began - TOLD_EVERY_S, 60 * within_minutes
    group = placement_group([worker] * num_workers + [{"CPU": 1.0}])
    try:
        while not group.wait(LOOKS_EVERY_S):
            now = time.monotonic()
            if STOPPING.asked():
                raise KeyboardInterrupt
            if now > began + left_s:
                raise ValueError(
                    f"no room for the training: got {_there(ray.available_resources())} free of "
                    f"{_there(ray.cluster_resources())} within {within_minutes:g} min, expected {_there(wanted)}. At "
                    "compute.num_workers, compute.use_gpu and compute.wait_minutes. Ask for fewer workers, add nodes, "
                    "or wait for the run that has them."
                )
            if now > told_at + TOLD_EVERY_S:
                told_at = now
                print(
                    f"training: waits for {_there(wanted)}; {_there(ray.available_resources())} free of "
                    f"{_there(ray.cluster_resources())}, at most {(began + left_s - now) / 60:.0f} min more",
                    flush=True,
                )
    finally:
        remove_placement_group(group)


def _there(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{resources.get(kind, 0):g} {kind}s" for kind in ("GPU", "CPU"))
