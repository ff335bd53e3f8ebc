"""Go on with a training that lost a worker, and only then: what its code or data raise would come again."""

from collections.abc import Callable
from typing import Any

import ray
import torch.distributed
from ray.exceptions import RayActorError, RayTaskError
from ray.train import TrainingFailedError
from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError, WorkerGroupStartupTimeoutError
from ray.util.placement_group import PlacementGroup, placement_group_table, remove_placement_group

from avis.engine.workers.parts import cause_of, user_error
from avis.storage_fault import StorageError

PEER_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "Gloo")
"""What the workers that are left say when one is gone, of which Ray itself may hear later."""
WHILE_STARTED = (RayActorError, WorkerGroupStartupFailedError, WorkerGroupStartupTimeoutError)
"""What comes of a worker that is lost as all are started, of Ray Train's own actors, or of room that is gone again."""


def restarted(
    fit: Callable[[], Any],
    max_restarts: int,
    *,
    progress: Callable[[], Any],
    lost: Callable[[str], Any] = lambda told: None,
) -> None:
    """Call ``fit`` until it ends, again where a worker was lost or storage did not answer.

    Parameters
    ----------
    fit : callable
        Of a `ray.train.torch.TorchTrainer` without failures of its own; it goes on from the last checkpoint.
    max_restarts : int
        How often it is called again in turn without getting further; losses of nodes that were taken away do not count,
        but while workers are being started, of which Ray Train does not tell why they are lost.
    progress : callable
        Returns how far the training is.
    lost : callable
        Is told by what a worker was lost, each time.

    Raises
    ------
    ValueError
        If workers are lost more often.
    StorageError
        If storage does not answer more often.
    Exception
        What the training itself raised on a worker, at the first time.
    """
    losses, reached = 0, progress()
    while True:
        try:
            fit()
            return
        except (TrainingFailedError, RayActorError) as error:
            loss = _loss(error)
        if (now := progress()) > reached:
            losses, reached = 0, now
        lost(_told(loss))
        losses += not getattr(_cause(loss), "preempted", False)
        if losses > max_restarts:
            break
        print(f"training: stopped by {_told(loss)}; restart {losses} of {max_restarts}", flush=True)
    if isinstance(loss, StorageError):
        raise loss
    raise ValueError(
        f"training worker lost: got {losses} losses without getting further, the last by {_told(loss)}, expected at "
        f"most compute.max_restarts={max_restarts}. At the training. If memory ran out, lower trainer.batch_size or "
        "compute.num_workers; resume=<run> goes on from the last checkpoint."
    )


def give_back() -> None:
    """Give back what this job's trainers hold: Ray Train 2.60 leaves it where one dies while they are being started.

    Each restart would take CPUs and GPUs of its own, until there were none left to wait for.
    """
    job = ray.get_runtime_context().get_job_id()
    for key, group in placement_group_table().items():
        if key.endswith(job) and group["state"] != "REMOVED":
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(key))))


def _loss(error: TrainingFailedError | RayActorError) -> BaseException:
    """Return by what a worker was lost; raise what else ended the training."""
    controller = user_error(getattr(error, "controller_failure", error))
    if isinstance(controller, WHILE_STARTED):
        return controller
    failures = getattr(error, "worker_failures", None)
    if not failures:
        raise cause_of(error) from None
    causes = [user_error(failures[rank]) for rank in sorted(failures)]
    lost = [cause for cause in causes if _is_loss(cause)]
    raised = [failures[rank] for rank, cause in zip(sorted(failures), causes, strict=True) if not _is_collateral(cause)]
    if raised and not lost:
        raise cause_of(raised[0]) from None
    return (lost or causes)[0]


def _cause(loss: BaseException) -> BaseException:
    return getattr(loss, "health_check_failure", loss)


def _told(loss: BaseException) -> str:
    cause = _cause(loss)
    return f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"


def _is_loss(cause: BaseException) -> bool:
    """Return whether Ray itself reports it, such as the death of an actor or a node, not what it ran; or storage."""
    if isinstance(cause, StorageError):
        return True
    return type(cause).__module__.partition(".")[0] == "ray" and not isinstance(cause, RayTaskError)


def _is_collateral(cause: BaseException) -> bool:
    """Return whether it is what a worker meets when another is gone."""
    if isinstance(cause, torch.distributed.DistError | ConnectionError):
        return True
    return isinstance(cause, RuntimeError) and any(words in str(cause) for words in PEER_GONE)
