"""Stages by parts: each part once, in process as on Ray, and the user's error as it was raised."""

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray.exceptions import RayTaskError

from avis import store
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, user_error
from avis.storage_fault import StorageError

TASKS = {f"part-{i}": pa.table({"x": list(range(i, i + 3))}) for i in range(6)}

IN_ONE_PROCESS = pytest.mark.xdist_group("ray_session")
WHEREVER = ["debug", pytest.param("local", marks=IN_ONE_PROCESS)]
SLOW_ON_RAY = ["debug", pytest.param("local", marks=[IN_ONE_PROCESS, pytest.mark.slow])]

SETTLED_S = 2.0
"""In which Ray starts what else it has CPUs for."""


def computes(where: str) -> Compute:
    return Compute(where=where, num_workers=None, use_gpu=None, max_restarts=0)  # type: ignore[arg-type]


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.1)


def squares_maker(
    log: str, fail_at: int | None = None, unreached: Collection[int] = ()
) -> Callable[[pa.Table], dict[str, pa.Table]]:
    """Return what squares a task, and leaves a file per call; defined inside, so that it travels by value."""

    class Squares:
        def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
            first = task["x"][0].as_py()
            if first == fail_at:
                raise ValueError(f"cannot square: got x={first}")
            if first in unreached:
                raise StorageError("storage does not answer: got EIO, expected an answer. At /x, mount /, node a.")
            with open(f"{log}/{first}", "a") as file:
                file.write("once ")
            return {"squares": pa.table({"y": [x * x for x in task["x"].to_pylist()]})}

    return Squares()


@pytest.fixture(params=WHEREVER)
def compute(request: pytest.FixtureRequest) -> Compute:
    if request.param == "local":
        request.getfixturevalue("ray_session")
    return computes(request.param)


def calls(log: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(log.iterdir())}


def by_value(log: Path, **kwargs: Any) -> Callable[[], Any]:
    made = squares_maker(str(log), **kwargs)
    return lambda: made


def test_every_part_is_made_once_and_a_rerun_makes_what_is_missing(tmp_path: Path, compute: Compute):
    uri, log = str(tmp_path / "store"), tmp_path / "log"
    log.mkdir()
    with pytest.raises(ValueError, match=r"^cannot square: got x=4$"):
        run_parts(uri, TASKS, by_value(log, fail_at=4), compute=compute, label="square")
    done = set(store.committed_parts(uri))
    assert "part-4" not in done
    times = {path: path.stat().st_mtime_ns for part in done for path in Path(uri).rglob(f"{part}.*")}
    run_parts(uri, TASKS, by_value(log), compute=compute, label="square")
    made = calls(log)
    assert made.keys() == {str(i) for i in range(6)}
    assert {made[part.removeprefix("part-")] for part in done} <= {"once "}
    assert made["4"] == "once "
    assert {path: path.stat().st_mtime_ns for path in times} == times
    store.finish(uri, parts=[], inputs="abc", facts={})
    assert store.read_table(uri, "squares")["y"].to_pylist() == [x * x for i in range(6) for x in range(i, i + 3)]


@pytest.mark.parametrize("compute", SLOW_ON_RAY, indirect=True)
def test_a_part_whose_storage_fails_is_left_out_and_the_others_are_made(tmp_path: Path, compute: Compute):
    uri, log = str(tmp_path / "store"), tmp_path / "log"
    log.mkdir()
    expected = (
        r"storage failed: got 1 of 6 parts of square \(3 rows\) left out, expected none\. "
        f"At {uri}, part-2 for one: storage does not answer: got EIO, expected an answer. At /x, mount /, node a."
    )
    with pytest.raises(StorageError, match=expected):
        run_parts(uri, TASKS, by_value(log, unreached=[2]), compute=compute, label="square")
    assert set(store.committed_parts(uri)) == set(TASKS) - {"part-2"}
    run_parts(uri, TASKS, by_value(log), compute=compute, label="square")
    assert calls(log) == {str(i): "once " for i in range(6)}


def test_a_run_ends_where_many_parts_are_out_of_reach(tmp_path: Path):
    made = by_value(tmp_path, unreached=range(1, 6))
    with pytest.raises(StorageError, match="got 3 of 6 parts"):
        run_parts(str(tmp_path / "store"), TASKS, made, compute=computes("debug"), label="square")
    assert set(store.committed_parts(str(tmp_path / "store"))) == {"part-0"}


@pytest.mark.slow
@pytest.mark.xdist_group("ray_session")
def test_a_run_that_ends_early_gives_its_cpus_back(tmp_path: Path, ray_session: None):
    """At once, though its error is still at hand: what comes next may need all of them."""
    made = by_value(tmp_path, unreached=range(6))
    with pytest.raises(StorageError) as held:
        run_parts(str(tmp_path / "store"), TASKS, made, compute=computes("local"), label="go")
    wait_until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])
    assert held.value, "which is still at hand"


@pytest.mark.slow
@pytest.mark.xdist_group("ray_session")
def test_a_run_leaves_others_the_cpus_beyond_its_bound(tmp_path: Path, ray_session: None):
    """Of four CPUs it takes two, and while both are busy another's task has the other two."""
    started, let = tmp_path / "started", tmp_path / "let"
    started.mkdir()

    class Waits:
        def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
            (started / str(task["x"][0])).write_text(str(os.getpid()))
            while not let.exists():
                time.sleep(0.02)
            return {"same": task}

    waits, two_at_once = Waits(), replace(computes("cluster"), data_cpus=2)
    run = partial(run_parts, str(tmp_path / "store"), TASKS, lambda: waits, compute=two_at_once, label="wait")
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            wait_until(lambda: len(list(started.iterdir())) == 2)
            time.sleep(SETTLED_S)
            assert ray.get(ray.remote(num_cpus=2)(lambda: len(os.listdir(started))).remote(), timeout=30) == 2
        finally:
            let.touch()
        running.result()
    assert set(store.committed_parts(str(tmp_path / "store"))) == set(TASKS)
    assert len({path.read_text() for path in started.iterdir()}) == 2, "processes, from the first part to the last"


def test_an_interrupted_run_says_how_far_it_came(tmp_path: Path):
    def make() -> Any:
        def interrupted(task: pa.Table) -> dict[str, pa.Table]:
            if task["x"][0].as_py() == 2:
                raise KeyboardInterrupt
            return {"same": task}

        return interrupted

    with pytest.raises(KeyboardInterrupt, match=f"^stopped: 2 of 6 parts of copy are finished. At {tmp_path}."):
        run_parts(str(tmp_path), TASKS, make, compute=computes("debug"), label="copy")


def test_nothing_to_do_needs_no_ray_and_no_maker(tmp_path: Path):
    for part, task in TASKS.items():
        store.commit_part(str(tmp_path), part, {"squares": task}, row_group_rows=10)
    run_parts(str(tmp_path), TASKS, partial(pytest.fail, "made again"), compute=computes("cluster"), label="square")


def test_the_users_error_is_dug_out_of_rays(ray_session: None):
    @ray.remote
    def corrupt() -> None:
        try:
            raise OSError("CRC")
        except OSError as error:
            raise ValueError("corrupt shard: got 'CRC'. At x. Make it again.") from error

    with pytest.raises(RayTaskError) as caught:
        ray.get(corrupt.remote())
    found = user_error(caught.value)
    assert type(found) is ValueError
    assert str(found) == "corrupt shard: got 'CRC'. At x. Make it again."


@pytest.mark.parametrize("compute", SLOW_ON_RAY, indirect=True)
def test_a_full_disk_on_a_worker_is_said_clearly(tmp_path: Path, compute: Compute):
    def on_a_full_disk() -> Any:
        import pyarrow.fs as pafs

        from avis import location, whole_file

        class FullDisk(pafs.LocalFileSystem):
            def open_output_stream(self, path, **kwargs):  # type: ignore[no-untyped-def]
                return super().open_output_stream("/dev/full", **kwargs)

        class Maker:
            def __call__(self, task):  # type: ignore[no-untyped-def]
                original = whole_file.filesystem
                whole_file.filesystem = lambda uri: (FullDisk(), location.absolute(uri))
                try:
                    whole_file.write_bytes(f"{tmp_path}/x", b"0" * 100)
                finally:
                    whole_file.filesystem = original
                return {}

        return Maker()

    with pytest.raises(OSError, match=f"disk full: got no room for 100 bytes, .* At {tmp_path}/x"):
        run_parts(str(tmp_path), TASKS, on_a_full_disk, compute=compute, label="write")


def deadly_maker(log: str, deadly: int, *, task_rows: int | None) -> Callable[[], Any]:
    """Return what doubles, and dies where it meets a number; as a `SliceMaker` if it has ``task_rows``."""

    def make() -> Any:
        class Doubles:
            def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
                if deadly in task["x"].to_pylist():
                    with open(log, "a") as file:
                        file.write("died ")
                    os._exit(11)
                return {"doubled": pa.table({"y": [2 * x for x in task["x"].to_pylist()]})}

        class ByRows(Doubles):
            def __init__(self) -> None:
                self.task_rows = task_rows

            def crashed(self, task: pa.Table) -> dict[str, pa.Table]:
                return {"doubled": pa.table({"y": [-1] * len(task)})}

        return ByRows() if task_rows else Doubles()

    return make


@pytest.mark.slow
def test_a_row_that_kills_its_worker_is_found_and_left_out(tmp_path: Path, ray_session: None):
    uri, log = str(tmp_path / "store"), tmp_path / "log"
    tasks = {"a": pa.table({"x": [1, 2, 3, 4, 5]}), "b": pa.table({"x": [6, 7]})}
    run_parts(uri, tasks, deadly_maker(str(log), 4, task_rows=2), compute=computes("local"), label="double")
    store.finish(uri, parts=tasks, inputs="abc", facts={})
    assert store.read_table(uri, "doubled")["y"].to_pylist() == [2, 4, 6, -1, 10, 12, 14]
    assert log.read_text() == "died " * 4, "once in a slice, three times by itself"
    assert not (tmp_path / "store" / store.PARTS).exists()


@pytest.mark.slow
def test_a_part_that_kills_its_workers_ends_the_run(tmp_path: Path, ray_session: None):
    log = tmp_path / "log"
    with pytest.raises(ValueError, match=r"workers died: got 3 deaths, .* At part part-0 of"):
        run_parts(
            str(tmp_path), TASKS, deadly_maker(str(log), 0, task_rows=None), compute=computes("local"), label="double"
        )
