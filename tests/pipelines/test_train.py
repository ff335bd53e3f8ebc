"""The main job: corpora in, equal error rate out; and what all pipelines say of themselves."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis.checkpoints.checkpoint import read_checkpoint
from avis.checkpoints.run_checkpoints import next_position

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_the_main_job_ends_with_an_equal_error_rate(main_job: tuple[Path, str]):
    folder, said = main_job
    run = folder / "outputs" / "runs" / "first"
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) == {"synthetic"}
    assert 0 <= metrics["synthetic"]["eer"] <= 1
    assert metrics["synthetic"]["num_target"] == 4 * 2 * 2
    assert metrics["synthetic"]["trained_on"] == "4 speakers of synthetic"
    assert f"synthetic: EER {metrics['synthetic']['eer']:.2%}" in said
    choice = "the lowest EER of 2 held-out speakers, which is coarse"
    assert f"checkpoint: {choice}" in said
    assert choice in (run / "report.html").read_text()
    [caution] = [each for each in metrics["synthetic"]["cautions"] if "4 speakers" in each]
    assert caution in (run / "report.html").read_text()
    for line in (f"metrics: {run}/metrics.json", f"report:  {run}/report.html"):
        assert line in said
    for file in ("config.json", "report.html", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        assert (run / file).stat().st_size > 0
    assert sorted(path.name for path in folder.iterdir()) == ["outputs"]
    saved = json.loads((run / "config.json").read_text())
    assert saved["features"]["placement"] == saved["augment"]["placement"] == "stream"  # what auto is on CPUs


def test_a_finished_run_is_gone_on_with_in_no_time(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, said = main_job
    monkeypatch.chdir(folder)
    run = folder / "outputs" / "runs" / "first"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.ckpt")}
    start("train", "resume=first", "compute=debug")
    assert said.splitlines()[-3:] == capsys.readouterr().out.splitlines()[-3:]
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.ckpt")} == before


def test_a_run_of_that_name_is_not_overwritten(
    main_job: tuple[Path, str], start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(main_job[0])
    with pytest.raises(ValueError, match="run exists: got run=first"):
        start("train", "run=first", "compute=debug")


@pytest.mark.slow
def test_a_killed_driver_is_gone_on_with(tmp_path: Path, tiny: dict[str, list[str]]):
    command = [sys.executable, str(PIPELINES / "train.py")]
    num_epochs = 12
    settings = [*tiny["train"], "run=killed", "compute.num_workers=2", f"trainer.num_epochs={num_epochs}"]
    with subprocess.Popen([*command, *settings], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        said = ""
        for line in driver.stdout:
            said += line
            if re.search(r"epoch 3/\d+ val", line):
                os.kill(driver.pid, signal.SIGKILL)
    assert driver.returncode == -signal.SIGKILL, said
    run = tmp_path / "outputs" / "runs" / "killed"
    assert not (run / "metrics.json").exists()
    done = subprocess.run([*command, "resume=killed"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"epoch 2/{num_epochs}" not in done.stdout, "what was finished was trained again"
    assert f"epoch {num_epochs}/{num_epochs} val" in done.stdout
    last = read_checkpoint(str(run / "checkpoints" / "last.ckpt"))
    assert last["epoch"] == num_epochs - 1
    assert last["global_step"] % num_epochs == 0
    assert (run / "metrics.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "number", "status"),
    [
        ("debug", signal.SIGINT, 130),
        ("debug", signal.SIGUSR1, 75),
        ("local", signal.SIGINT, 130),
        ("local", signal.SIGTERM, 143),
    ],
)
def test_a_training_that_is_told_to_stop_goes_on_by_the_command_that_it_says(
    tmp_path: Path, tiny: dict[str, list[str]], where: str, number: signal.Signals, status: int
):
    run = tmp_path / "out puts" / "runs" / "told"
    long = ["trainer.passes_per_epoch=30", "trainer.log_interval_s=0.2", f"compute={where}", "compute.num_workers=2"]
    command = [sys.executable, str(PIPELINES / "train.py"), "run=told", "output_dir=out puts", *tiny["train"], *long]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen(command, env={**os.environ, "HYDRA_FULL_ERROR": "0"}, **pipes) as driver:
        assert driver.stdout is not None
        assert driver.stderr is not None
        said = ""
        for line in driver.stdout:
            if re.search(r"epoch 1/2 train \d+/120", line) and not re.search(r"epoch 1/2 train \d+/120", said):
                driver.send_signal(number)
            said += line
        told = driver.stderr.read()
    assert driver.returncode == status, told
    [step] = re.findall(r"stopped after step (\d+)/120 of epoch 1/2, saved", said)
    assert next_position(str(run)) == (0, int(step))
    [goes_on] = re.findall(rf"stopped by {number.name}: .* Go on with: python (.*)\n", told)
    done = subprocess.run([sys.executable, *shlex.split(goes_on)], timeout=600, **pipes)
    assert done.returncode == 0, done.stderr
    steps = [int(step) for step in re.findall(r"epoch 1/2 train (\d+)/120", done.stdout)]
    assert steps[0] > int(step), "what was finished was trained again"
    assert read_checkpoint(str(run / "checkpoints" / "last.ckpt"))["global_step"] == 240
