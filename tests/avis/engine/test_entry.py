"""What a pipeline says when something goes wrong, and how its process ends."""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avis.structured_log import LOG

SCRIPT = """
from avis.engine.entry import pipeline

@pipeline("tiny")
def main(cfg):
    {body}

main()
"""

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a script with some body, as a user does, and returns its exit status."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny.yaml").write_text("output_dir: outputs\nverbose: false\nlog: text\nseed: 0\n")
    (tmp_path / "pipelines").mkdir()
    script = tmp_path / "pipelines" / "tiny.py"

    def run_body(body: str, *arguments: str) -> int:
        script.write_text(SCRIPT.format(body=body))
        with monkeypatch.context() as patch:
            patch.delenv("HYDRA_FULL_ERROR")
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", [str(script), *arguments])
            try:
                runpy.run_path(str(script), run_name="__main__")
            except SystemExit as ended:
                return int(ended.code or 0)
            finally:
                LOG.stop()
            return 0

    return run_body


def test_a_recipe_does_not_know_how_talkative_the_console_is(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("print(sorted(cfg))", "seed=1") == 0
    assert capsys.readouterr().out == "['output_dir', 'seed']\n"


def test_what_is_neither_talkative_nor_quiet_is_refused(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("print(sorted(cfg))", "verbose=foo") == 1
    assert capsys.readouterr().err == "wrong value: got 'foo', expected true or false. At verbose. Correct the value.\n"


@pytest.mark.parametrize(
    "message",
    [
        "run exists: got run=first, expected a new name. At outputs/runs/first. Choose another name.",
        "corrupt shard: got 'CRC', expected rows.\nAt x. Make it again.",
        "Only one of --run, --multirun, --cfg, --info and --shell_completion can be specified",  # as Hydra says it
    ],
)
def test_a_users_error_is_its_message_alone(run: Run, capsys: pytest.CaptureFixture[str], message: str):
    assert run(f"raise ValueError({message!r}) from KeyError('x')") == 1
    said = capsys.readouterr()
    assert said.err == f"{message}\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("open('missing.csv')", "No such file or directory: got missing.csv\n"),
        ("cfg.sed", "Key 'sed' is not in struct"),
        ("raise ImportError(\"No Silero. Run pip install 'avis[vad]'.\")", "No Silero. Run pip install 'avis[vad]'.\n"),
    ],
)
def test_so_are_those_of_files_configuration_and_missing_packages(
    run: Run, capsys: pytest.CaptureFixture[str], body: str, said: str
):
    assert run(body) == 1
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert "Traceback" not in error


@pytest.mark.parametrize("body", ["{}['x']", "assert False", "import numpy; numpy.zeros(3).reshape(2, 2)"])
def test_a_bug_keeps_its_traceback(run: Run, capsys: pytest.CaptureFixture[str], body: str):
    assert run(body.replace("{", "{{").replace("}", "}}").format()) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert "in main" in said
    assert said.splitlines()[-1].startswith("a bug of AVIS, not a mistake of yours: please report it")
    assert "HYDRA_FULL_ERROR" not in said


def test_ctrl_c_ends_with_what_shells_expect(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("raise KeyboardInterrupt('stopped: 2 of 6 parts are finished.')") == 130
    assert run("raise KeyboardInterrupt") == 130
    assert capsys.readouterr().err == "stopped: 2 of 6 parts are finished.\nstopped\n"


def test_ctrl_c_has_no_traceback_either_while_a_script_imports():
    script = "import avis.engine.entry, signal; signal.raise_signal(signal.SIGINT)"
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "stopped\n")


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 75)])
def test_a_signal_ends_with_a_status_of_its_own(run: Run, capsys: pytest.CaptureFixture[str], number: str, status: int):
    assert run(f"import signal; signal.raise_signal(signal.{number})") == status
    assert capsys.readouterr().err == f"stopped by {number}\n"


@pytest.mark.parametrize(
    ("body", "status", "level", "begins"),
    [
        ("raise ValueError('shard: got 1, expected 2.\\nAt x. Make it again.')", 1, "error", ["shard: got 1"]),
        ("raise KeyError('x')", 1, "error", ["Traceback (most recent", "a bug of AVIS"]),
        (
            "raise KeyboardInterrupt('stopped: all is kept.\\nGo on.')",
            130,
            "warning",
            ["stopped: all is kept.\nGo on."],
        ),
    ],
)
def test_an_error_is_one_object_where_the_log_is_json(
    run: Run, capsys: pytest.CaptureFixture[str], body: str, status: int, level: str, begins: list[str]
):
    assert run(body, "log=json") == status
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [each["level"] for each in said] == [level] * len(begins)
    assert all(each["message"].startswith(begin) for each, begin in zip(said, begins, strict=True))
    assert {each["stage"] for each in said} == {"tiny"}


def test_a_log_of_another_form_is_refused(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("pass", "log=xml") == 1
    assert capsys.readouterr().err == "wrong value: got 'xml', expected one of text, json. At log. Correct the value.\n"


def test_all_tracebacks_are_shown_on_request(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert os.environ["HYDRA_FULL_ERROR"] == "1"
    assert run("pass") == 0
    monkeypatch.setattr(sys, "argv", ["tiny.py"])
    script = tmp_path / "pipelines" / "tiny.py"
    script.write_text(SCRIPT.format(body="raise ValueError('no: got 1, expected 2. At x. Correct it.')"))
    with pytest.raises(ValueError, match=r"^no: got 1"):
        runpy.run_path(str(script), run_name="__main__")


def test_a_name_is_what_was_typed(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("print(cfg.output_dir, cfg.seed)", "output_dir=1e5", "seed=1_0") == 0
    assert capsys.readouterr().out == "1e5 10\n"


@pytest.mark.parametrize("folder", ["taken", "taken/below"])
def test_an_output_folder_that_is_a_file_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str
):
    (tmp_path / "taken").touch()
    assert run("pass", f"output_dir={folder}") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"folder is a file: got output_dir={tmp_path / folder}, expected a folder")
    assert said.count("\n") == 1
