"""What pipelines print: help, errors of the command line, and a run of its own on Ray."""

import itertools
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from avis.structured_log import LOG
from tests.compositions import composed

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "pipelines"
NAMES = sorted(path.stem for path in PIPELINES.glob("*.py") if path.stem not in ("__init__", "benchmark"))
OF_THE_STORY = ("prepare", "train", "score", "evaluate")
EACH = [pytest.param(name, marks=[] if name in OF_THE_STORY else pytest.mark.slow) for name in NAMES]
NOISE = re.compile("WARNING|Warning|[Tt]oken|PreemptionWatcher|core_worker|Controller|pid=|Traceback")

Start = Callable[..., None]


@pytest.mark.parametrize("name", EACH)
def test_help_begins_with_three_examples_that_compose(name: str, help_of: Callable[[str], str]):
    begin, _, rest = help_of(name).partition("All settings with their values: --cfg job.")
    assert "evaluation: standard" in rest
    commands = re.findall(rf"^    python (pipelines/{name}\.py.*)$", begin.replace("\\\n", ""), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        [_, *overrides] = shlex.split(re.sub("<[^>]*>", "something", command))
        assert composed(name, *overrides)


@pytest.mark.parametrize("name", EACH)
def test_help_names_five_settings_that_there_are(name: str, help_of: Callable[[str], str]):
    begin = help_of(name).partition("All settings with")[0]
    keys = re.findall(r"^    ([a-z_.<>]+)=[<\[]", begin, re.MULTILINE)
    assert len(keys) == (3 if name == "export" else 5)
    config = composed(name)
    groups = {folder.name for folder in (ROOT / "configs").iterdir() if folder.is_dir()}
    for key in keys:
        path = key.replace("<pairing>", "cross_session")
        assert (
            key in groups
            or OmegaConf.is_missing(config, path)
            or path.rpartition(".")[2] in (OmegaConf.select(config, path.rpartition(".")[0]) if "." in path else config)
        )


def test_what_it_would_take_follows_the_configuration_as_comments(start: Start, capsys: pytest.CaptureFixture[str]):
    start("train", "--cfg", "job", "model=ecapa_512")
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown)["model"]["channels"] == 512
    assert "\n# audio: 768 recordings, 0.64 h\n" in shown
    start("train", "--cfg", "job", "corpus=folder")
    assert "\n# nothing can be said yet: value missing: got none, " in capsys.readouterr().out


@pytest.mark.parametrize("name", EACH)
def test_help_says_what_can_be_set(name: str, help_of: Callable[[str], str]):
    config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    for key in [key for key in config if key not in ("defaults", "hydra")]:
        assert f"{key}:" in help_of(name)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("model=resnet43", "unknown choice: got model=resnet43, .* At model. Did you mean resnet34 "),
        ("model/pooling=atentive", "unknown choice: .* At model/pooling. Did you mean self_attentive"),
        ("calibration=qmff", "unknown choice: .* expected one of the 3 choices in configs/calibration. .* mean qmf?"),
        ("modle=resnet34", r"unknown key: got modle, .* Did you mean model or "),
        ("trainer.num_epoch=3", "unknown key: .* At trainer.num_epoch. Did you mean trainer.num_epochs "),
        ("num_epochs=3", "unknown key: .* Did you mean trainer.num_epochs?"),
        ("~modle", "unknown key: .* Did you mean model "),
        ("trainer.speeds=[", r"wrong command line: got trainer.*quotes within quotes: 'trainer.speeds=\"\[\"'"),
        ("--run=mine", "unknown option: got --run=mine, .* Give run=mine."),
        ("+foo=1", "unknown key: got foo, .* At foo."),
        ("corpus=folder", "value missing: got none, expected one. At corpus.root."),
    ],
)
def test_the_nearest_names_are_suggested(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str, said: str
):
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    with pytest.raises(SystemExit, match="1"):
        start("train", given, "compute=debug")
    [message] = capsys.readouterr().err.splitlines()
    assert re.match(said, message)


@pytest.mark.slow
def test_the_main_job_as_json_says_run_and_stage_of_each_line(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny: dict[str, list[str]],
):
    monkeypatch.chdir(tmp_path)
    try:
        start("train", "compute=debug", "run=first", "log=json", *tiny["train"])
    finally:
        LOG.stop()
    out, err = capsys.readouterr()
    said = [json.loads(line) for line in out.splitlines()]
    assert [stage for stage, _ in itertools.groupby(each["stage"] for each in said)] == [
        "prepare",
        "train",
        "score",
        "verifier",
        "evaluate",
    ]
    assert {each["run"] for each in said} == {"first"}
    assert {each["level"] for each in said} == {"info", "warning"}, "so small a run is warned of"
    assert {each["level"] for each in map(json.loads, err.splitlines())} <= {"info", "warning"}
    [rate] = [each for each in said if each["message"].startswith("synthetic: EER ")]
    assert rate["stage"] == "evaluate"
    saved = json.loads((tmp_path / "outputs" / "runs" / "first" / "config.json").read_text())
    assert "log" not in saved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ("modle=resnet34", "unknown key: got modle, "),
        pytest.param("trainer.num_epochs=-1", "wrong value: got -1, ", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_setting_is_one_object_where_the_log_is_json(tmp_path: Path, given: str, begins: str):
    command = [sys.executable, str(PIPELINES / "train.py"), given, "log=json", "compute=debug"]
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    said = json.loads(line)
    assert (said["level"], said["run"]) == ("error", None)
    assert said["message"].startswith(begins)


def test_a_users_error_is_red_on_a_terminal_and_nothing_else(tmp_path: Path):
    shown, status = on_terminal([sys.executable, str(PIPELINES / "prepare.py"), "sedd=1"], tmp_path)
    assert status == 1
    assert shown.startswith("\x1b[1;31munknown key:\x1b[0m got sedd, ")
    assert len(shown.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def on_terminal(command: list[str], folder: Path) -> tuple[str, int]:
    """Run a command on a terminal of its own; return what it shows and its exit status."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "NO_COLOR")}
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm", "COLUMNS": "200"},
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.returncode


@pytest.mark.slow
def test_a_run_on_ray_shows_lines_of_avis_and_keeps_those_of_ray(tmp_path: Path, tiny: dict[str, list[str]]):
    command = [sys.executable, str(PIPELINES / "train.py"), "run=quiet", *tiny["train"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run = tmp_path / "outputs" / "runs" / "quiet"
    assert not NOISE.search(done.stdout)
    for line in (f"messages of Ray: {run}/ray.log", "loss: its head takes", "epoch 2/2 val  eer "):
        assert f"\n{line}" in f"\n{done.stdout}"
    assert done.stdout.splitlines()[-2:] == [f"verifier: {run}/verifier", f"training: {run}/training.html"]
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert "TrainController" in (run / "ray.log").read_text()


@pytest.mark.slow
def test_a_run_on_ray_on_a_terminal_moves_one_line(tmp_path: Path, tiny: dict[str, list[str]]):
    command = [sys.executable, str(PIPELINES / "train.py"), "run=moving", *tiny["train"]]
    shown, status = on_terminal(command, tmp_path)
    assert status == 0, shown
    run = tmp_path / "outputs" / "runs" / "moving"
    assert not NOISE.search(shown)
    assert re.search(r"\r\x1b\[Ktrain: epoch 2/2, step 4/4, loss .*, EER .* %, .* samples/s, 0:00:0\d left", shown)
    assert re.search(r"prepare .*100%", shown)
    shown = shown.removesuffix("\x1b[0m")  # colorama, which Ray brings, resets colours at the end
    assert shown.splitlines()[-2:] == [f"verifier: {run}/verifier", f"training: {run}/training.html"]
    assert "TrainController" in (run / "ray.log").read_text()
