"""Several runs by one command: their names, which of them run at once, and how they end."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

from avis.engine import multirun
from avis.engine.multirun import SideBySide, expand, is_multirun, room, run_all, run_names
from avis.engine.workers.compute import Compute
from avis.engine.workers.stopping import STOPPING
from avis.structured_log import LOG

CONFIGS = Path(__file__).parents[3] / "configs"

SCRIPT = """
import json, os, signal, sys, time
settings = dict(argument.split("=") for argument in sys.argv[1:])
folder = os.path.join("runs", settings["run"])
os.makedirs(folder)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
log = open("log.jsonl", "a", buffering=1)
log.write(json.dumps(["begins", settings["run"]]) + chr(10))
time.sleep(0.5)
open(os.path.join(folder, "config.json"), "w").close()
print("loss of seed", settings["seed"])
time.sleep(float(settings["takes"]))
log.write(json.dumps(["ends", settings["run"]]) + chr(10))
sys.exit(int(settings["seed"] == "9"))
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the main job: prepare for half a second, train for ``takes``; with seed 9 fail."""
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    return tmp_path


def happened(folder: Path) -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in (folder / "log.jsonl").read_text().splitlines()]


def commands(*seeds: int, takes: float) -> dict[str, list[str]]:
    return {f"r{seed}": [f"seed={seed}", f"takes={takes}", f"run=r{seed}"] for seed in seeds}


def test_every_combination_is_a_run_with_a_name_that_says_what_differs():
    jobs = expand(["-m", "seed=0,1", "model=ecapa_tiny,xvector", "run=a", "trainer.crop_s=3"], CONFIGS, "train")
    assert len(jobs) == 4
    assert all("trainer.crop_s=3" in job for job in jobs)
    assert run_names(jobs) == [
        "a-seed-0-model-ecapa_tiny",
        "a-seed-0-model-xvector",
        "a-seed-1-model-ecapa_tiny",
        "a-seed-1-model-xvector",
    ]


@pytest.mark.parametrize(
    ("jobs", "names"),
    [
        ([["run=a"], ["run=b"]], ["a", "b"]),
        ([["run='a b'", "x=[1,2]"], ["run='a b'", "x=[1 2]"]], ["a b-x-1-2-0", "a b-x-1-2-1"]),
        ([["run=a", "seed=0"], ["run=a", "seed=0"]], ["a-0", "a-1"]),
        ([["run=a", f"file={'x' * 300}"], ["run=a", f"file={'x' * 300}y"]], None),
    ],
)
def test_names_are_distinct_whatever_is_swept(jobs: list[list[str]], names: list[str] | None):
    found = run_names(jobs)
    assert len(set(found)) == len(jobs)
    assert all(len(name) < 200 for name in found)
    assert found == (names or found)


@pytest.mark.parametrize(
    ("arguments", "several"),
    [
        (["-m", "seed=0,1"], True),
        (["--multirun", "seed=0,1"], True),
        (["seed=0"], False),
        (["-m", "hydra/sweeper=optuna"], False),
        (["-m", "--cfg", "job"], False),
    ],
)
def test_what_is_hydras_is_left_to_it(arguments: list[str], several: bool):
    assert is_multirun(arguments) == several


def test_on_a_machine_of_ones_own_there_is_room_for_one():
    assert room(Compute(where="local", num_workers=1, use_gpu=None, max_restarts=0)) == 1


@pytest.mark.parametrize(
    ("resources", "use_gpu", "workers", "runs"),
    [
        ({"CPU": 64, "GPU": 8}, None, 2, 4),
        ({"CPU": 64, "GPU": 8}, None, None, 1),
        ({"CPU": 16}, False, 2, 4),
        ({"CPU": 2}, False, 2, 1),
    ],
)
def test_on_a_cluster_there_is_room_for_as_many_as_have_their_workers(
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, float],
    use_gpu: bool | None,
    workers: int | None,
    runs: int,
):
    monkeypatch.setattr(Compute, "connect", lambda self: None)
    monkeypatch.setattr(multirun.ray, "cluster_resources", lambda: resources)
    assert room(Compute(where="cluster", num_workers=workers, use_gpu=use_gpu, max_restarts=0)) == runs


@pytest.mark.slow
def test_the_first_prepares_alone_and_the_others_follow_side_by_side(script: Path, capfd: pytest.CaptureFixture[str]):
    runs = SideBySide(commands(0, 1, 2, takes=4), script=sys.argv[0], at_once=2, runs=str(script / "runs"))
    runs.wait()
    assert runs.ended == {"r0": 0, "r1": 0, "r2": 0}
    order = happened(script)
    assert order[:2] == [("begins", "r0"), ("begins", "r1")], "two at once"
    assert order.index(("begins", "r2")) > min(order.index(("ends", "r0")), order.index(("ends", "r1")))
    assert "r1: loss of seed 1\n" in capfd.readouterr().out


def test_one_at_a_time_has_the_console_to_itself(script: Path, capfd: pytest.CaptureFixture[str]):
    runs = SideBySide(commands(9, 1, takes=0), script=sys.argv[0], at_once=1, runs=str(script / "runs"))
    runs.wait()
    assert runs.ended == {"r9": 1, "r1": 0}, "one that fails does not keep the others from running"
    assert happened(script) == [("begins", "r9"), ("ends", "r9"), ("begins", "r1"), ("ends", "r1")]
    assert "\nloss of seed 9\n" in capfd.readouterr().out


def test_where_the_log_is_json_lines_of_runs_are_told_apart_by_their_names(
    script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """They are when one has the console to itself, too, since nothing moves there."""
    monkeypatch.setattr(LOG, "run", None)
    LOG.start("json")
    try:
        SideBySide(commands(0, 1, takes=0), script=sys.argv[0], at_once=1, runs=str(script / "runs")).wait()
        out, deadline = "", time.monotonic() + 10
        while out.count("loss of seed") < 2 and time.monotonic() < deadline:
            out += capsys.readouterr().out
            time.sleep(0.05)
    finally:
        LOG.stop()
    said = [json.loads(line) for line in out.splitlines()]
    assert {(each["run"], each["message"]) for each in said if each["message"].startswith("loss")} == {
        ("r0", "loss of seed 0"),
        ("r1", "loss of seed 1"),
    }
    assert [each["run"] for each in said if each["message"].startswith("run r")] == [None, None]


def test_told_to_stop_it_tells_all_and_starts_no_more(script: Path):
    runs = SideBySide(commands(0, 1, 2, takes=60), script=sys.argv[0], at_once=2, runs=str(script / "runs"))

    def stop_when_both_run() -> None:
        while len(list(script.glob("runs/*/config.json"))) < 2:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    with STOPPING.listening():
        threading.Thread(target=stop_when_both_run).start()
        with pytest.raises(KeyboardInterrupt):
            runs.wait()
    assert runs.ended == {"r0": 143, "r1": 143}


def test_a_wrong_value_is_told_before_any_run_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="wrong value: got 'many'"):
        run_all(["-m", "model.channels=16,many", f"output_dir={tmp_path}"], CONFIGS, "train")
    assert list(tmp_path.iterdir()) == []


class Ended:
    """Stands in for the processes: all end as ``statuses`` say."""

    statuses: ClassVar[dict[str, int]] = {}
    commands: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, commands: dict[str, list[str]], *, script: str, at_once: int, runs: str) -> None:
        Ended.commands, self.ended = commands, {}
        for name in commands:
            (Path(runs) / name).mkdir(parents=True, exist_ok=True)
            for file in ("config.json", *(["metrics.json"] if not self.statuses.get(name, 0) else [])):
                (Path(runs) / name / file).touch()

    def wait(self) -> None:
        self.ended = {name: self.statuses.get(name, 0) for name in self.commands}


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("statuses", "raised", "said"),
    [
        ({}, None, ["run a: finished", "compare: python pipelines/compare.py 'runs=[a,b,c]'"]),
        ({"b": 75}, SystemExit, ["run b: ended with status 75", "-m resume=b", "'runs=[a,c]'"]),
        ({"b": 75, "c": 1}, ValueError, ["run c: ended with status 1", "-m resume=b,c"]),
    ],
)
def test_at_the_end_it_says_what_goes_on_and_how_they_are_compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    statuses: dict[str, int],
    raised: type[BaseException] | None,
    said: list[str],
):
    monkeypatch.setattr(multirun, "SideBySide", Ended)
    monkeypatch.setattr(Ended, "statuses", statuses)
    monkeypatch.setattr(sys, "argv", ["pipelines/train.py"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(raised) if raised else contextlib.nullcontext() as error:
        run_all(["-m", "run=a,b,c", "compute=debug"], CONFIGS, "train")
    assert Ended.commands["b"] == ["compute=debug", "run=b"]
    output = capsys.readouterr().out
    assert output.startswith("3 runs, 1 at a time: a, b, c\n")
    for line in said:
        assert line in output
    if raised is ValueError:
        assert "runs failed: got 1 of 3 (c), expected all to finish" in str(error.value)


def test_runs_that_were_stopped_go_on_under_their_names_where_they_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(multirun, "SideBySide", Ended)
    monkeypatch.setattr(multirun, "room", lambda compute: len(compute.where) if compute.data_cpus == 9 else 0)
    monkeypatch.setattr(Ended, "statuses", {"b": 75})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs/runs/a").mkdir(parents=True)
    compute = {"where": "cluster", "num_workers": None, "use_gpu": None, "max_restarts": 3}
    (tmp_path / "outputs/runs/a/config.json").write_text(json.dumps({"compute": compute}))
    with pytest.raises(SystemExit):
        run_all(["-m", "resume=a,b", "compute.data_cpus=9"], CONFIGS, "train")
    assert Ended.commands == {name: [f"resume={name}", "compute.data_cpus=9"] for name in "ab"}
    output = capsys.readouterr().out
    assert output.startswith("2 runs, 2 at a time"), "which a machine of one's own has no room for"
    assert "-m resume=b compute.data_cpus=9\n" in output
