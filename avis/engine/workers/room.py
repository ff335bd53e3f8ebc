"""Wait until a cluster has room for what a run starts, and say for what."""

import time
from collections.abc import Mapping, Sequence

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from avis.engine.workers.stopping import STOPPING

LOOKS_EVERY_S, TOLD_EVERY_S = 1.0, 60.0
KINDS = ("GPU", "CPU")


def wait_for_room(bundles: Sequence[Mapping[str, float]], *, what: str, within_minutes: float) -> None:
    """Wait until there is room for processes; an autoscaler brings nodes for it, and another run may end meanwhile.

    Parameters
    ----------
    bundles : sequence of mapping of str to float
        CPUs or GPUs of each process.
    what : str
        What waits, for the messages.
    within_minutes : float

    Raises
    ------
    ValueError
        If there is no room by then.
    KeyboardInterrupt
        If it is told to stop.
    """
    wanted = {kind: sum(each.get(kind, 0) for each in bundles) for kind in KINDS}
    began = time.monotonic()
    told_at, left_s = began - TOLD_EVERY_S, 60 * within_minutes
    group = placement_group([dict(each) for each in bundles])
    try:
        while not group.wait(LOOKS_EVERY_S):
            now = time.monotonic()
            if STOPPING.asked():
                raise KeyboardInterrupt
            there = f"{_told(ray.available_resources())} free of {_told(ray.cluster_resources())}"
            if now > began + left_s:
                raise ValueError(
                    f"no room for {what}: got {there} within {within_minutes:g} min, expected {_told(wanted)}. At "
                    "compute.num_workers, compute.use_gpu and compute.wait_minutes. Ask for fewer workers, add nodes, "
                    "or wait for the run that has them."
                )
            if now > told_at + TOLD_EVERY_S:
                told_at = now
                left = f"at most {(began + left_s - now) / 60:.0f} min more"
                print(f"{what}: waits for {_told(wanted)}; {there}, {left}", flush=True)
    finally:
        remove_placement_group(group)


def _told(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{resources.get(kind, 0):g} {kind}s" for kind in KINDS)
