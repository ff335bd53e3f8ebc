"""What becomes of the main job when parts of it are killed at random moments: the same bytes, losses and scores.

python -m pytest -m slow tests/reliability/test_chaos.py    # some two hours on two cores
AVIS_KILLS=3 python -m pytest -m slow tests/reliability/test_chaos.py -k driver
"""

import contextlib
import csv
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.two_nodes import TwoNodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

KILLS = int(os.environ.get("AVIS_KILLS", "20"))
"""Of each part of the job."""
SEED = 15
MEAN_S = 20.0
"""Between two kills, which come at random moments."""
TRAIN = Path(__file__).parents[2] / "pipelines" / "train.py"
LONG = ["trainer.passes_per_epoch=20", "trainer.checkpoint_minutes=0.02", "compute.max_restarts=10", "seed=3"]
FIGURES = ("train/loss", "val/eer")


def below(process: int) -> dict[int, str]:
    """Return the titles of the processes that a process has started, and those have, by their ids."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
    family = [process]
    for each in family:
        family += [child for child, parent in parents.items() if parent == each]
    return {each: titles[each] for each in family[1:]}


def trainers(driver: int) -> list[int]:
    return [process for process, title in below(driver).items() if title.startswith("ray::RayTrainWorker")]


def data_workers(driver: int) -> list[int]:
    """Return what prepares, makes examples, embeds or waits for such work."""
    titles = {process: title.removeprefix("ray::") for process, title in below(driver).items() if "ray::" in title}
    return [process for process, title in titles.items() if title.startswith(("IDLE", "Map", "_make", "_read"))]


def lasting(folder: Path, run: str) -> dict[str, object]:
    """Return what a finished run leaves that must not depend on what was killed."""
    [store] = (folder / "stores").iterdir()
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(store.rglob("*.parquet"))}
    steps: dict[str, dict[int, float]] = {name: {} for name in FIGURES}
    logs = (folder / "runs" / run / "csv").glob("version_*/metrics.csv")
    for path in sorted(logs, key=lambda path: path.stat().st_mtime):
        with path.open() as file:
            for row in csv.DictReader(file):
                for name in FIGURES:
                    if row.get(name):
                        steps[name][int(row["step"])] = float(row[name])
    scores = [pq.read_table(path).to_pydict() for path in sorted((folder / "runs" / run).rglob("scores/*.parquet"))]
    assert len(scores) > 0
    return {"utterances": files, **steps, "scores": scores}


class Chaos:
    """The main job again and again, until so much of it was killed; each time it comes to the undisturbed end."""

    def __init__(self, folder: Path, tiny: list[str]) -> None:
        self.folder, self.settings = folder, [*tiny, *LONG]
        self.rng, self.kills, self.runs = np.random.default_rng(SEED), 0, 0

    def job(self, output: Path, run: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a run, or go on with it if there is one."""
        known = (output / "runs" / run / "config.json").exists()
        named = [f"resume={run}"] if known else [f"run={run}", *self.settings]
        with (self.folder / "said.log").open("ab") as said:
            command = [sys.executable, str(TRAIN), f"output_dir={output}", *named, *arguments]
            return subprocess.Popen(command, stdout=said, stderr=said, cwd=self.folder, start_new_session=True)

    def said(self) -> str:
        return (self.folder / "said.log").read_text(errors="replace")[-4000:]

    def undisturbed(self) -> dict[str, object]:
        output = self.folder / "undisturbed"
        assert self.job(output, "calm").wait() == 0, self.said()
        return lasting(output, "calm")

    def disturbed(self, victims: Callable[[int], list[int]]) -> dict[str, object]:
        """Kill one of the victims at random moments until the run is at its end."""
        self.runs += 1
        output = self.folder / f"disturbed-{self.runs}"
        while True:
            with self.job(output, "wild") as driver:
                while driver.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        driver.wait(self.rng.exponential(MEAN_S))
                        break
                    if self.kills < KILLS and (found := victims(driver.pid)):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(self.rng.choice(found)), signal.SIGKILL)
                            self.kills += 1
            if driver.returncode == 0:
                return lasting(output, "wild")
            assert driver.returncode == -signal.SIGKILL, self.said()


class NodeChaos(Chaos):
    """The same on two nodes, of which the one that most of the work is on is switched off, and another put there."""

    def __init__(self, cluster: TwoNodes, tiny: list[str]) -> None:
        super().__init__(cluster.folder, tiny)
        self.cluster = cluster

    def undisturbed(self) -> dict[str, object]:
        return self._submitted("calm", kills=0)

    def disturbed(self, victims: Callable[[int], list[int]]) -> dict[str, object]:
        self.runs += 1
        return self._submitted(f"wild-{self.runs}", kills=KILLS)

    def _submitted(self, run: str, kills: int) -> dict[str, object]:
        output = self.folder / run
        own = [f"output_dir={output}", "run=job", *self.settings]
        command = [part for part in self.cluster.train(own) if not part.startswith(f"output_dir={self.folder}/shared")]
        with self.cluster.submit(*command) as job:
            said = Said(job)
            while job.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    job.wait(self.rng.exponential(MEAN_S))
                    break
                if self.kills < kills:
                    self.cluster.nodes.pop().kill()
                    self.kills += 1
                    self.cluster.add_node()
        assert job.returncode == 0, said.text()[-4000:]
        return lasting(output, "job")


class Said(threading.Thread):
    """Read what a job says, which would stop once the pipe were full."""

    def __init__(self, job: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self.job, self.lines = job, list[str]()
        self.start()

    def run(self) -> None:
        assert self.job.stdout is not None
        self.lines.extend(self.job.stdout)

    def text(self) -> str:
        self.join()
        return "".join(self.lines)


@pytest.fixture(scope="module")
def chaos_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="avis-", dir="/tmp") as folder:
        yield Path(folder)


VICTIMS = {"driver": lambda driver: [driver], "trainer": trainers, "data worker": data_workers}


@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_at_random_moments_the_main_job_comes_to_the_same_end(
    chaos_folder: Path, tiny: dict[str, list[str]], outcome: Callable[[str, str, str, str], None], victim: str
):
    chaos = Chaos(chaos_folder / victim.replace(" ", "-"), tiny["train"])
    chaos.folder.mkdir()
    comes_to_the_same_end(chaos, victim, outcome)


def test_nodes_that_vanish_at_random_moments_change_nothing(
    chaos_folder: Path, tiny: dict[str, list[str]], outcome: Callable[[str, str, str, str], None]
):
    cluster = TwoNodes(chaos_folder)
    try:
        cluster.start()
        comes_to_the_same_end(NodeChaos(cluster, tiny["train"]), "other node", outcome)
    finally:
        cluster.close()


def comes_to_the_same_end(chaos: Chaos, victim: str, outcome: Callable[[str, str, str, str], None]) -> None:
    expected = chaos.undisturbed()
    while chaos.kills < KILLS:
        found = chaos.disturbed(VICTIMS.get(victim, list))
        for name, value in expected.items():
            assert found[name] == value, name
    kept = "same bytes, losses, EER, scores"
    outcome("killed at random moments", f"{victim}, {chaos.kills} times in {chaos.runs} runs", "outcome", kept)
