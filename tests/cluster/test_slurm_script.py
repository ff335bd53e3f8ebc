"""The script of Slurm's jobs: what it gives to the training, and what it makes of each end."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.slurm import CANCEL, STATUS, STOP
from tests.cluster.testbed import PROJECT, wait_for

SBATCH = PROJECT / "cluster" / "slurm.sbatch"

FAKES = {
    "python": """case $1 in
        pipelines/train.py) echo "$@" >> $HERE/trained; [ -z "$TAKES" ] || exec $PYTHON -c "$TAKES"; exit $ENDS ;;
        -) [ $# != 2 ] || exit 0 ;; # the nodes are there
        esac
        exec $PYTHON "$@" """,
    "srun": """mkdir -p $SCRATCH/ray; echo $$ > $HERE/head; echo 192.0.2.1:6379 > $SCRATCH/ray/ray_current_cluster
        exec sleep ${HEAD_LIVES:-60}""",
    "scancel": "kill $(cat $HERE/head)",
    "scontrol": 'echo "$@" > $HERE/asked',
}
STOPPED_BY_USR1 = "import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75)); signal.pause()"


class Ended(NamedTuple):
    """How the script ended: its status, what train.py was given, and what Slurm was asked for."""

    status: int
    trained: list[str]
    asked: str


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Ended]:
    """Return what runs the script on programs that stand in for Slurm, Ray and train.py."""
    for name, lines in FAKES.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{lines}\n")
        program.chmod(0o755)

    def run(*given: str, signals: bool = False, **env: str) -> Ended:
        job = f"{os.getpid()}-{tmp_path.name}"
        variables = {"SLURM_JOB_ID": job, "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_ON_NODE": "1"}
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        here = {"PATH": path, "HERE": str(tmp_path), "PYTHON": sys.executable, "ENDS": "0"}
        trained, asked = tmp_path / "trained", tmp_path / "asked"
        process = subprocess.Popen(
            ["bash", SBATCH, *given], env={**os.environ, **variables, **here, **env}, cwd=PROJECT
        )
        if signals:
            wait_for(trained.exists, 30, "training")
            process.send_signal(signal.SIGUSR1)
        process.wait(60)
        assert not Path(f"/tmp/avis-{job}").exists()
        told = trained.read_text().replace(job, "<job>").split()
        of_slurm = asked.read_text().replace(job, "<job>").strip() if asked.exists() else ""
        return Ended(process.returncode, told, of_slurm)

    return run


def test_a_training_that_ends_is_not_put_back(script):
    assert script("model=ecapa_512") == Ended(
        0, ["pipelines/train.py", "compute=cluster", "model=ecapa_512", "run=avis-<job>"], ""
    )
    assert script("run=mine", ENDS="1").status == 1


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "ends",
    [
        {"signals": True, "TAKES": f"{STOPPED_BY_USR1}"},
        {"signals": True, "TAKES": "import time; time.sleep(60)"},  # told before it can listen
        {"HEAD_LIVES": "1", "TAKES": "import sys, time; time.sleep(3); sys.exit(1)"},
    ],
    ids=["time limit", "time limit at once", "Ray's head lost"],
)
def test_a_training_that_is_to_go_on_is_put_back(script, ends):
    ended = script("run=mine", **ends)
    assert ended.status
    assert ended.asked == "requeue <job>"


@pytest.mark.slow
def test_who_loses_the_head_again_and_again_is_not_put_back(script):
    lost = {"HEAD_LIVES": "1", "TAKES": "import sys, time; time.sleep(3); sys.exit(1)", "SLURM_RESTART_COUNT": "10"}
    assert script("run=mine", **lost).asked == ""


@pytest.mark.slow
def test_a_job_that_was_put_back_goes_on_with_its_run(script, tmp_path):
    given = [f"output_dir={tmp_path}", "compute.num_workers=2", "model=ecapa_512", "run=mine"]
    again = {"SLURM_RESTART_COUNT": "1"}
    assert script(*given, **again).trained[2:] == given, "of which nothing was begun"
    (tmp_path / "trained").unlink()
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.json").touch()
    assert script(*given, **again).trained[2:] == ["resume=mine", *given[:2]]


def test_shellcheck_has_nothing_to_say():
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("no shellcheck: pip install --editable '.[dev]'")
    done = subprocess.run([shellcheck, SBATCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_asks_for_a_token_and_holds_none():
    text = SBATCH.read_text()
    assert "RAY_AUTH_MODE=token" in text
    assert "secrets.token_hex(32)" in text
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)
    assert "dashboard-host=127.0.0.1" in text


def test_the_readme_has_the_lines_that_are_tried_on_slurm():
    section = (PROJECT / "cluster" / "README.md").read_text().partition("\n## Slurm\n")[2].partition("\n## ")[0]
    for line in (STATUS, STOP, CANCEL):
        assert line in section
