"""Run a stage: map the parts of one table to the parts of another, in parallel, resumable.

A stage is a list of tasks (one per output part) and a class that turns a task into tables. Ray Data spreads the tasks
over a pool of actors; each writes its own part and leaves a record (see `avis.store`). Parts depend on their task
alone, so the bytes are the same whatever the number of workers, and a rerun does only what is missing. A part that
kills its worker again and again ends the run, or loses the row that does it (see `avis.engine.workers.attempts`). A
part whose storage fails is left out, uncommitted, and the run ends when the others are made, or when these are many.
"""

import gc
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import ray
import ray.data
from ray.exceptions import RayTaskError

from avis import store
from avis.engine.workers.attempts import Attempts
from avis.engine.workers.compute import Compute
from avis.engine.workers.console import on_terminal, show_progress
from avis.engine.workers.data_context import data_context
from avis.engine.workers.gauges import PARTS, PARTS_DONE, set_gauges
from avis.engine.workers.room import wait_for_room
from avis.engine.workers.shared_folder import check_seen, check_shared
from avis.storage_fault import StorageError

UNREACHED_PARTS, UNREACHED_SHARE = 3, 0.1
"""Parts that their storage failed at, and their share of those tried, above which the run ends at once."""

ADVICE = "\nFailed to apply UDF transform after "
"""Where Ray Data goes on in its own words behind those of an error."""


class PartMaker(Protocol):
    """Turn one task into one part of each output table."""

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return ``{table name: rows}``."""


@runtime_checkable
class SliceMaker(PartMaker, Protocol):
    """A `PartMaker` whose task may be cut into slices, so that only one of them is in memory."""

    task_rows: int

    def crashed(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return what stands for a row that killed its workers."""


def _pack(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


class _PartWriter:
    def __init__(self, uri: str, make: Callable[[], PartMaker], row_group_rows: int, run: str | None) -> None:
        self.uri, self.maker, self.row_group_rows, self.run = uri, make(), row_group_rows, run

    def write(self, part: str, task: pa.Table) -> str | None:
        """Write a part unless it is there; return what its storage failed with."""
        try:
            if not store.is_committed(self.uri, part):  # by another driver, or by a worker that died after it
                store.commit_part(self.uri, part, self._made(part, task), row_group_rows=self.row_group_rows)
        except StorageError as error:
            return str(error)
        return None

    def _made(self, part: str, task: pa.Table) -> Iterator[dict[str, pa.Table]]:
        attempts = Attempts(self.uri, part, self.run) if self.run else None
        if not isinstance(self.maker, SliceMaker):
            yield self.maker(task)
        elif attempts and attempts.ended_at:
            yield from attempts.row_by_row(task, self.maker)
        else:
            for start in range(0, max(1, len(task)), self.maker.task_rows):
                yield self.maker(task.slice(start, self.maker.task_rows))

    def __call__(self, batch: pa.Table) -> pa.Table:
        parts, tasks = batch["part"].to_pylist(), map(pa.ipc.open_stream, batch["task"].to_pylist())
        failed = [self.write(part, task.read_all()) for part, task in zip(parts, tasks, strict=True)]
        return pa.table({"part": parts, "failed": pa.array(failed, pa.string())})


def run_parts(
    uri: str,
    tasks: dict[str, pa.Table],
    make: Callable[[], PartMaker],
    *,
    compute: Compute,
    label: str,
    num_gpus: float = 0,
    row_group_rows: int = 65536,
    reads: Mapping[str, str] | None = None,
) -> None:
    """Write every part that is not there yet.

    Parameters
    ----------
    uri : str
        The store to write into.
    tasks : dict of str to pyarrow.Table
        Name of each part and the rows it is made from.
    make : callable
        Builds a `PartMaker` once per worker process; must be picklable.
    label : str
        What the progress bar says.
    num_gpus : float
        GPUs per worker.
    row_group_rows : int
        Rows per Parquet row group.
    reads : mapping of str to str, optional
        One of the files that workers read, for each key of the configuration that leads to some.

    Raises
    ------
    ValueError
        If the nodes of a cluster do not share the store's folder or those files.
    StorageError
        If parts are left that their storage failed at.
    KeyboardInterrupt
        If it is interrupted (Ctrl-C), with how far it came.
    """
    done = store.committed_parts(uri)
    pending = {part: task for part, task in tasks.items() if part not in done}
    if not pending:
        return
    is_cluster = compute.where == "cluster"
    run = _in_process if compute.in_process else partial(_stream, compute, num_gpus)
    failed: dict[str, str] = {}
    try:
        compute.connect()
        if is_cluster:
            check_shared(uri)
            for key, file in (reads or {}).items():
                check_seen(file, key=key)
            if num_gpus:
                wait_for_room([{"GPU": num_gpus}], what=label, within_minutes=compute.wait_minutes)
        set_gauges({PARTS: len(pending), PARTS_DONE: 0}, stage=label)
        with closing(run(pending, uri, make, row_group_rows)) as rows:  # or its actors keep their CPUs
            shown = show_progress(rows, label, len(pending), moving=on_terminal() and not compute.in_process)
            for num_tried, row in enumerate(shown, start=1):
                set_gauges({PARTS_DONE: num_tried - len(failed)}, stage=label)
                if row["failed"]:
                    failed[row["part"]] = row["failed"]
                if len(failed) >= UNREACHED_PARTS and len(failed) > UNREACHED_SHARE * num_tried:
                    break
    except KeyboardInterrupt:
        num_done = len(tasks.keys() & store.committed_parts(uri).keys())
        raise KeyboardInterrupt(
            f"stopped: {num_done} of {len(tasks)} parts of {label} are finished. At {uri}. "
            "Run the same command again: it goes on from there."
        ) from None
    if failed:
        raise _left_out(failed, tasks, label, uri)


def _left_out(failed: dict[str, str], tasks: dict[str, pa.Table], label: str, uri: str) -> StorageError:
    rows = sum(len(tasks[part]) for part in failed)
    example, said = next(iter(failed.items()))
    return StorageError(
        f"storage failed: got {len(failed)} of {len(tasks)} parts of {label} ({rows} rows) left out, expected none. "
        f"At {uri}, {example} for one: {said}"
    )


def _in_process(
    pending: dict[str, pa.Table], uri: str, make: Callable[[], PartMaker], row_group_rows: int
) -> Generator[dict[str, Any], None, None]:
    writer = _PartWriter(uri, make, row_group_rows, None)
    for part, task in pending.items():
        yield {"part": part, "failed": writer.write(part, task)}


def _stream(
    compute: Compute,
    num_gpus: float,
    pending: dict[str, pa.Table],
    uri: str,
    make: Callable[[], PartMaker],
    row_group_rows: int,
) -> Generator[dict[str, Any], None, None]:
    there = ray.cluster_resources()
    slots = there.get("GPU", 0) / num_gpus if num_gpus else there.get("CPU", 0)
    most = len(pending) if compute.where == "cluster" else max(1, min(int(slots), len(pending)))  # nodes may come there
    data_context()
    items = [{"part": part, "task": _pack(task)} for part, task in pending.items()]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _PartWriter,
        fn_constructor_args=(uri, make, row_group_rows, uuid.uuid4().hex),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=int(compute.bounded(most))),
        num_cpus=1,
        num_gpus=num_gpus,
    )
    cause: BaseException | None = None
    try:
        yield from dataset.iter_rows()
    except RayTaskError as error:
        cause = _without_advice(cause_of(error))
    finally:
        del dataset
        gc.collect()  # or its actors live on in a circle, with their CPUs
    if cause:
        raise cause


def _without_advice(error: BaseException) -> BaseException:
    if error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].partition(ADVICE)[0], *error.args[1:])
    return error


def cause_of(error: BaseException) -> BaseException:
    """Return what Ray wrapped where that is a user's error, else the error with the trace that leads to it."""
    cause = user_error(error)
    return cause if isinstance(cause, ValueError | OSError) else error


def user_error(error: BaseException) -> BaseException:
    """Return the error that a user's data or config caused, dug out of what Ray wrapped around it."""
    while True:
        inner = getattr(error, "cause", None) or error.__cause__
        if inner is None:
            return error
        error = inner


def shared_by_workers(value: Any, compute: Compute) -> Callable[[], Any]:
    """Put a value into the object store once, and return what fetches it on a worker."""
    if compute.in_process:
        return partial(_identity, value)
    compute.connect()
    return partial(_fetch, [ray.put(value)])


def _identity(value: Any) -> Any:
    return value


def _fetch(reference: list[ray.ObjectRef]) -> Any:
    return ray.get(reference[0])
