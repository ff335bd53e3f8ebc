"""Preparing that is killed, at any moment and in any of its processes, or done by two drivers at once."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from avis import store
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe

Read = Callable[[str], dict[str, bytes]]
ROOT = Path(__file__).parents[3]
NUM_PARTS, ROWS_PER_PART = 40, 10
TIMEOUT_S = 300


class Case:
    """One corpus and output folder, prepared by processes of their own."""

    def __init__(self, cfg: Recipe, small: list[str], expected: dict[str, bytes], store_name: str) -> None:
        self.cfg, self.small, self.expected = cfg, small, expected
        self.out = Path(cfg.output_dir)
        self.store = self.out / "stores" / store_name
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, where: str = "debug") -> subprocess.Popen[bytes]:
        self.out.mkdir(exist_ok=True)
        overrides = [
            "corpus=manifest",
            f"corpus.path={self.cfg.plain['corpus']['path']}",
            f"output_dir={self.out}",
            f"compute={where}",
        ]
        command = [sys.executable, str(ROOT / "pipelines" / "prepare.py"), *overrides, *self.small]
        with (self.out / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.out, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait(timeout=TIMEOUT_S)
        assert status == 0, (self.out / f"{self.processes.index(process)}.log").read_text()[-4000:]

    def wait_for_parts(self, num: int, process: subprocess.Popen[bytes]) -> None:
        """Return when that many more parts are committed."""
        num += self.num_parts()
        give_up = time.monotonic() + TIMEOUT_S
        while self.num_parts() < num:
            assert process.poll() is None, "the run ended before it was killed"
            assert time.monotonic() < give_up, f"fewer than {num} parts were written"
            time.sleep(0.001)

    def num_parts(self) -> int:
        return len(list(self.store.glob("_parts/*.json")))

    def committed(self) -> dict[str, int]:
        """Return the time of each file that counts already."""
        records = store.committed_parts(str(self.store)).values()
        return {file: (self.store / file).stat().st_mtime_ns for record in records for file in record}

    def times(self, files: dict[str, int]) -> dict[str, int]:
        return {file: (self.store / file).stat().st_mtime_ns for file in files}


@pytest.fixture
def case(
    recipe: Callable[..., Recipe],
    speakers_folder: Callable[..., Path],
    bytes_below: Read,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Case]:
    """List the same few files many times over, under other ids: enough work to be cut off in. Prepare it in peace."""
    files = sorted(speakers_folder(tmp_path / "audio", num_speakers=4).rglob("*.wav"))
    manifest = tmp_path / "list.csv"
    rows_per_part = getattr(request, "param", ROWS_PER_PART)
    with manifest.open("w", newline="") as stream:
        numbered = [(files[number % len(files)], number) for number in range(NUM_PARTS * rows_per_part)]
        rows = [[file, file.parts[-3], f"u{number}"] for file, number in numbered]
        csv.writer(stream).writerows([["path", "speaker", "utt_id"], *rows])
    small = ["sharding.num_validation_speakers=2", f"sharding.shard_rows={rows_per_part}"]
    cfg = recipe(*small, f"corpus.path={manifest}", name="prepare", corpus="manifest")
    undisturbed = prepare(cfg.changed({"output_dir": str(tmp_path / "undisturbed")}))
    disturbed = cfg.changed({"output_dir": str(tmp_path / "disturbed")})
    made = Case(disturbed, small, bytes_below(undisturbed), os.path.basename(undisturbed))
    yield made
    for process in made.processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def moments(num: int, *, seed: int) -> list[tuple[int, float]]:
    """Draw after how many more parts, and how many seconds later, something is killed."""
    rng = np.random.default_rng(seed)
    return [(int(rng.integers(1, 8)), float(rng.uniform(0, 0.05))) for _ in range(num)]


def kill_driver(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def kill_worker(driver: subprocess.Popen[bytes]) -> None:
    """Kill one of the actors that write parts."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], check=True, capture_output=True, text=True).stdout
    processes = {int(pid): (int(parent), name) for pid, parent, name in (x.split(None, 2) for x in listed.splitlines())}

    def below_driver(pid: int) -> bool:
        return pid == driver.pid or (pid in processes and below_driver(processes[pid][0]))

    workers = [pid for pid, (_, name) in processes.items() if "MapWorker" in name and below_driver(pid)]
    os.kill(workers[0], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("times_killed", [1, 3])
def test_killed_at_random_moments_and_gone_on_with(case: Case, bytes_below: Read, times_killed: int):
    kept: dict[str, int] = {}
    for num_parts, later_s in moments(times_killed, seed=0):
        process = case.start()
        case.wait_for_parts(num_parts, process)
        time.sleep(later_s)
        kill_driver(process)
        assert not (case.store / store.MANIFEST).exists()
        assert case.times(kept) == kept
        kept = case.committed()
    assert case.num_parts() < NUM_PARTS
    prepare(case.cfg)
    assert case.times(kept) == kept
    assert bytes_below(str(case.store)) == case.expected


@pytest.mark.slow
def test_two_drivers_at_once(case: Case, bytes_below: Read):
    other = case.start()
    case.wait_for_parts(1, other)
    prepare(case.cfg)
    case.wait(other)
    assert bytes_below(str(case.store)) == case.expected


@pytest.mark.slow
def test_three_drivers_at_once_one_on_ray(case: Case, bytes_below: Read):
    drivers = [case.start(where) for where in ("local", "debug", "debug")]
    for driver in drivers:
        case.wait(driver)
    assert bytes_below(str(case.store)) == case.expected


@pytest.mark.slow
@pytest.mark.parametrize("case", [100], indirect=True, ids=["rows_per_part"])
def test_driver_and_workers_killed_on_ray(case: Case, bytes_below: Read):
    """A run goes on when one of its workers is killed; when the driver is, the next run does."""
    kept: dict[str, int] = {}
    for seed in range(2):
        process = case.start("local")
        to_worker, to_driver = moments(2, seed=seed)
        case.wait_for_parts(to_worker[0], process)
        time.sleep(to_worker[1])
        kill_worker(process)
        case.wait_for_parts(to_driver[0], process)
        time.sleep(to_driver[1])
        kill_driver(process)
        assert case.times(kept) == kept
        kept = case.committed()
    case.wait(case.start("local"))
    assert case.times(kept) == kept
    assert bytes_below(str(case.store)) == case.expected
