"""Start several runs by one command (``-m seed=0,1,2``), side by side where the cluster has room for them.

Each is a process of its own with a name of its own, as if it had been started by hand. Hydra's launchers share one
process, one Ray and one name, or start all at once whatever there is room for.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import ray
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from avis import location, store
from avis.engine.config import resolve
from avis.engine.prepare_recipe import arguments as values_of
from avis.engine.recipe import Recipe
from avis.engine.runs import resumed_compute
from avis.engine.workers.compute import CPUS_BESIDE_TRAINERS, Compute
from avis.engine.workers.stopping import EXIT_STATUS, STOPPING
from avis.run_folder import CONFIG, METRICS, check_run_name
from avis.starting import how_to_start
from avis.structured_log import LOG

FLAGS = ("-m", "--multirun")
LOOK_S = 0.2
LAST_LINES_S = 5.0
"""Waited at most for what a run has said last; a process that it has left behind may keep its output open."""
MOST_CHARACTERS = 120
"""Of what the swept settings add to a name."""


def is_multirun(arguments: Sequence[str]) -> bool:
    """Return whether several runs are asked for, and nothing of Hydra's own that it should see to."""
    others = [argument for argument in arguments if argument not in FLAGS]
    return len(others) < len(arguments) and not any(argument.startswith(("-", "hydra")) for argument in others)


def run_all(arguments: Sequence[str], configs: Path, config_name: str) -> None:
    """Start all runs that a command line stands for, wait for them, and say how they are compared.

    Raises
    ------
    ValueError
        If one of their configurations is wrong, before any is started; or if one failed, after all have ended.
    KeyboardInterrupt
        If it was told to stop, once all have stopped.
    """
    script, default = os.path.abspath(sys.argv[0]), location.absolute("outputs")
    jobs = expand(arguments, configs, config_name)
    recipes = [_composed(job, configs, config_name) for job in jobs]
    resumed = all(any(setting.startswith("resume=") for setting in job) for job in jobs)
    names = [_unquoted(_values(job)["resume"]) for job in jobs] if resumed else run_names(jobs)
    for name in names:
        check_run_name("run", name)
    commands = {
        name: [*(s for s in job if not s.startswith("run=")), *([] if resumed else [f"run={name}"])]
        for name, job in zip(names, jobs, strict=True)
    }
    runs = location.join(location.absolute(recipes[0].output_dir), "runs")
    compute = recipes[0].compute
    if resumed and location.exists(config := location.join(runs, names[0], CONFIG)):
        saved = store.read_json(config)["compute"]
        compute = Compute(**values_of(resumed_compute(saved, recipes[0].plain["compute"], jobs[0])))
    at_once = min(len(jobs), room(compute))
    print(f"{len(jobs)} runs, {at_once} at a time: {', '.join(names)}", flush=True)
    side_by_side = SideBySide(commands, script=script, at_once=at_once, runs=runs)
    try:
        side_by_side.wait()
    finally:
        output_dir = location.parent(runs)
        where = [] if output_dir == default else [f"output_dir={output_dir}"]
        again = [setting for setting in jobs[0] if resumed and setting.startswith("compute")]
        _say_how_they_ended(side_by_side.ended, names, runs, where, again)
    failed = [name for name in names if side_by_side.ended.get(name) not in (0, *EXIT_STATUS.values())]
    if failed:
        raise ValueError(
            f"runs failed: got {len(failed)} of {len(names)} ({', '.join(failed)}), expected all to finish. "
            f"At {runs}. See what each has said above."
        )
    if stopped := [status for status in side_by_side.ended.values() if status]:
        sys.exit(stopped[0])


def expand(arguments: Sequence[str], configs: Path, config_name: str) -> list[list[str]]:
    """Return the settings of each run, as Hydra's own sweeper has them."""
    with initialize_config_dir(str(configs), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        overrides = parser.parse_overrides([argument for argument in arguments if argument not in FLAGS])
        [jobs] = BasicSweeper.split_arguments(overrides, None)
    return jobs


def _composed(job: Sequence[str], configs: Path, config_name: str) -> Recipe:
    with initialize_config_dir(str(configs), version_base="1.3"):
        plain = resolve(compose(config_name, list(job)))
    LOG.start(plain["log"])
    recipe = Recipe.of(plain)
    recipe.logger.check(recipe.output_dir)
    return recipe


def run_names(jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each run: what ``run=`` says, else the time, and the settings in which the runs differ.

    >>> run_names([["run=a", "seed=0", "model=resnet34"], ["run=a", "seed=1", "model=resnet34"]])
    ['a-seed-0', 'a-seed-1']
    """
    now = time.strftime("%Y%m%d-%H%M%S")
    given = [_unquoted(_values(job).get("run", now)) for job in jobs]
    if len(set(given)) == len(jobs):
        return given
    common = set.intersection(*map(set, jobs))
    swept = ["-".join(setting for setting in job if setting not in common) for job in jobs]
    slugs = [re.sub(r"[^\w.]+", "-", text).strip("-")[:MOST_CHARACTERS] for text in swept]
    if len(set(slugs)) < len(slugs):
        slugs = [f"{slug}-{number}".strip("-") for number, slug in enumerate(slugs)]
    return [f"{name}-{slug}" for name, slug in zip(given, slugs, strict=True)]


def _values(job: Sequence[str]) -> dict[str, str]:
    return {key: value for key, _, value in (setting.partition("=") for setting in job)}


def _unquoted(value: str) -> str:
    return value[1:-1] if value[:1] in ("'", '"') and value[:1] == value[-1:] else value


def room(compute: Compute) -> int:
    """Return how many such trainings the cluster has room for at once; one on a machine of one's own.

    It joins the cluster to ask, and stays joined.
    """
    if compute.where != "cluster":
        return 1
    compute.connect()
    (_, workers), gpus = compute.num_train_workers(), compute.num_gpus()
    cpus = int(ray.cluster_resources().get("CPU", 0))
    beside = compute.data_cpus or CPUS_BESIDE_TRAINERS
    return max(1, gpus // workers if gpus else cpus // (workers + beside))


class SideBySide:
    """Runs in processes of their own, so many at once, the first alone until its audio is prepared.

    The others then find the store there, where they would have made it several times over.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        Settings by the name of the run.
    script : str
        Path of the main job.
    at_once : int
    runs : str
        Folder of the runs.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], *, script: str, at_once: int, runs: str) -> None:
        self.commands, self.script, self.at_once, self.runs = dict(commands), script, at_once, runs
        self.waiting, self.first = list(commands), next(iter(commands))
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.passing: dict[str, threading.Thread] = {}
        self.ended: dict[str, int] = {}
        """Exit status by name."""

    def wait(self) -> None:
        """Start them all and wait for their ends; told to stop, tell them, once for each time, and start no more."""
        try:
            while self.waiting or self.running:
                self._look()
                while self.waiting and len(self.running) < self._allowed():
                    self._start(self.waiting.pop(0))
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            self.waiting.clear()
            self._stop()
            raise

    def _allowed(self) -> int:
        prepared = self.first in self.ended or location.exists(location.join(self.runs, self.first, CONFIG))
        return self.at_once if prepared else 1

    def _start(self, name: str) -> None:
        command = [sys.executable, self.script, *self.commands[name]]
        alone = self.at_once == 1 and not LOG.is_json
        print(f"run {name}: {how_to_start('train', *self.commands[name])}", flush=True)
        self.running[name] = process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None if alone else subprocess.PIPE,
            stderr=None if alone else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, which passes it on once
        )
        if not alone:
            self.passing[name] = threading.Thread(target=_pass_on, args=(name, process), daemon=True)
            self.passing[name].start()

    def _look(self) -> None:
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                self.ended[name] = self.running.pop(name).returncode
                if passing := self.passing.pop(name, None):
                    passing.join(LAST_LINES_S)

    def _stop(self) -> None:
        while self.running:
            told_by = getattr(signal, STOPPING.told_by or "", signal.SIGINT)
            for process in self.running.values():
                process.send_signal(told_by)
            try:
                while self.running:
                    self._look()
                    time.sleep(LOOK_S)
            except KeyboardInterrupt:
                continue


def _pass_on(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None, "its output is passed on"
    for line in process.stdout:
        if LOG.is_json:
            LOG.pass_on(line, run=name)
        else:
            print(f"{name}: {line}", end="", flush=True)


def _say_how_they_ended(
    ended: Mapping[str, int], names: Sequence[str], runs: str, where: Sequence[str], again: Sequence[str]
) -> None:
    for name in names:
        status = ended.get(name)
        said = "not started" if status is None else "finished" if status == 0 else f"ended with status {status}"
        print(f"run {name}: {said}", flush=True)
    evaluated = [name for name in names if location.exists(location.join(runs, name, METRICS))]
    begun = [name for name in names if ended.get(name) and location.exists(location.join(runs, name, CONFIG))]
    if begun:
        print(f"go on: {how_to_start('train', '-m', 'resume=' + ','.join(begun), *where, *again)}", flush=True)
    if len(evaluated) > 1:
        print(f"compare: {how_to_start('compare', f'runs=[{chr(44).join(evaluated)}]', *where)}")
