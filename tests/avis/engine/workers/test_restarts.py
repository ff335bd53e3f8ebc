"""A lost worker is started again; what the training itself raises is not tried a second time."""

import itertools

import pytest
import torch.distributed
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError
from ray.train import ControllerError, TrainingFailedError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
)

from avis.engine.workers.restarts import give_back, restarted
from avis.storage_fault import StorageError

WRONG = ValueError("corrupt shard: got 3 rows, expected 4. At s. Make it again.")
DIED = WorkerHealthCheckFailedError("A worker health check failed.", ActorDiedError())
PEER = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4711")
IN_DATA = RayTaskError("make_examples", "traceback", WRONG)


def nowhere() -> int:
    """Return the progress of a training that gets no further."""
    return 0


class Fit:
    """A training that ends by one failure after the other, then well."""

    def __init__(self, *attempts: dict[int, Exception]) -> None:
        self.attempts, self.calls = list(attempts), 0

    def __call__(self) -> None:
        self.calls += 1
        if self.attempts:
            raise WorkerGroupError("training failed", self.attempts.pop(0))


@pytest.mark.parametrize(
    "failures",
    [
        {1: DIED},
        {0: PEER, 1: DIED},
        {0: ValueError("half a batch"), 1: DIED},
        {0: PEER},
        {0: torch.distributed.DistBackendError("NCCL communicator was aborted")},
        {0: OutOfMemoryError("killed by the memory monitor")},
        {0: NodeDiedError("preempted")},
        {1: StorageError("storage does not answer: got a timeout, expected an answer. At s3://a. Wait.")},
    ],
    ids=["death", "death and peer", "death and what follows", "peer", "NCCL", "memory", "node", "storage"],
)
def test_a_lost_worker_is_started_again(failures: dict[int, Exception], capsys: pytest.CaptureFixture[str]):
    fit = Fit(failures, failures)
    restarted(fit, 3, progress=nowhere)
    assert fit.calls == 3
    assert "restart 2 of 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("failures", "raised"),
    [
        ({0: WRONG}, WRONG),
        ({0: PEER, 1: WRONG}, WRONG),
        ({0: IN_DATA, 1: IN_DATA}, WRONG),
        ({0: torch.OutOfMemoryError("CUDA out of memory")}, torch.OutOfMemoryError("CUDA out of memory")),
    ],
    ids=["worded", "beside its peer", "on a data worker", "GPU memory"],
)
def test_an_error_is_not_tried_again(failures: dict[int, Exception], raised: Exception):
    fit = Fit(*3 * [failures])
    with pytest.raises(type(raised), match=str(raised)[:10]):
        restarted(fit, 3, progress=nowhere)
    assert fit.calls == 1


def test_restarts_are_renewed_by_progress():
    fit, reached = Fit(*9 * [{1: DIED}]), itertools.count()
    restarted(fit, 2, progress=lambda: next(reached) // 2)  # gets further every second time
    assert fit.calls == 10


def test_nodes_that_are_taken_away_do_not_count():
    taken = ActorDiedError()
    taken._preempted = True
    fit = Fit(*9 * [{1: WorkerHealthCheckFailedError("A worker health check failed.", taken)}])
    restarted(fit, 1, progress=nowhere)
    assert fit.calls == 10


def test_losses_without_end():
    fit = Fit(*5 * [{1: DIED}])
    with pytest.raises(ValueError, match=r"training worker lost: got 3 losses.*compute\.max_restarts=2.*resume=<run>"):
        restarted(fit, 2, progress=nowhere)
    assert fit.calls == 3


@pytest.mark.parametrize(
    "failure",
    [
        ControllerError(ActorDiedError()),
        ActorDiedError(),
        ControllerError(WorkerGroupStartupFailedError("One of the worker actors failed to initialize")),
        ControllerError(WorkerGroupStartupTimeoutError(2)),
    ],
    ids=["worker", "controller", "worker, in Ray Train's words", "room"],
)
def test_what_is_lost_while_all_are_started_is_started_again_so_often(failure: Exception):
    failures = [failure] * 4

    def fit() -> None:
        if failures:
            raise failures.pop()

    with pytest.raises(ValueError, match="training worker lost: got 3 losses"):
        restarted(fit, 2, progress=nowhere)
    restarted(fit, 2, progress=nowhere)


@pytest.mark.parametrize("max_restarts", [0, 2])
def test_a_failure_of_the_controller_is_shown(max_restarts: int):
    def fit() -> None:
        raise TrainingFailedError("no placement group")

    with pytest.raises(TrainingFailedError, match="no placement group"):
        restarted(fit, max_restarts, progress=nowhere)


def test_what_the_lost_held_is_given_back(ray_session):
    """Ray Train leaves its placement group behind where a worker dies as it is started."""
    import ray
    from ray.util.placement_group import placement_group, placement_group_table

    left = placement_group([{"CPU": 1}])
    waiting = placement_group([{"CPU": 10_000}])
    assert left.wait(30)
    give_back()
    states = placement_group_table()
    assert {states[group.id.hex()]["state"] for group in (left, waiting)} == {"REMOVED"}
    assert ray.is_initialized()
