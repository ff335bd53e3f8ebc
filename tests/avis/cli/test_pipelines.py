"""The pipelines as verbs of `avis`: the same scripts, the same arguments, the same errors; from a wheel too."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("avis", "configs", "pipelines")
SCRIPTS = {path.stem for path in (ROOT / "pipelines").glob("[!_]*.py")}
AVIS = [sys.executable, "-c", "from avis.cli import main; main()"]


def ends(command, folder, **variables):
    """Return how a command ends that is started in a folder: status, what was printed, and what was said beside it."""
    environment = (
        os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "HYDRA_FULL_ERROR": "0"} | variables
    )
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_help_lists_the_verbs_in_two_groups_as_the_scripts_describe_themselves(avis):
    status, out, _ = avis("--help")
    assert status == 0
    use, make = (set(re.findall(r"^  (\w+)  ", group, re.MULTILINE)) for group in out.split("\n\n")[-2:])
    assert use >= {"verify", "embed", "card"}
    assert make == SCRIPTS - {"embed", "explain"} | {"explain_trials"}
    assert "  score              Score trials with a trained model.\n" in out


@pytest.mark.parametrize(
    "typed",
    [
        ["run=a b", "trials={a: 'x y'}", "~model", "+new=$1"],
        ["--help"],
        ["-m", "seed=0,1", "--cfg", "job"],
        ["--cfg=job", "-x", "--model", "x", "--json"],
        [],
    ],
)
def test_a_script_gets_the_arguments_as_they_were_typed(avis, monkeypatch, typed):
    started = []
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    avis("train", *typed)
    script = str(ROOT / "pipelines" / "train.py")
    assert started == [(sys.executable, [sys.executable, script, *typed])]


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [["modle=3"], ["model=resnet43"]])
def test_a_mistake_is_told_alike_by_script_and_verb(tmp_path, mistake):
    by_script = ends([sys.executable, str(ROOT / "pipelines" / "train.py"), *mistake], tmp_path)
    assert ends([*AVIS, "train", *mistake], tmp_path) == by_script
    assert by_script[0] == 1
    assert by_script[2].count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_it_says_to_type_is_what_was_typed(tmp_path):
    status, out, _ = ends([*AVIS, "compare", "--help"], tmp_path)
    assert status == 0
    assert "\n    avis compare runs=[<run>,<run>]\n" in out
    assert "python pipelines" not in out


def test_help_loads_nothing_heavy(tmp_path):
    loaded = "print(sys.modules.keys() & {'torch', 'ray', 'hydra'})"
    _, out, _ = ends(
        [sys.executable, "-c", f"import atexit, sys; atexit.register(lambda: {loaded})\n{AVIS[2]}", "--help"], tmp_path
    )
    assert out.splitlines()[-1] == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "script"), [("bash", "complete -o default -F"), ("zsh", "#compdef avis")])
def test_a_shell_completes_verbs(tmp_path, shell, script):
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    start = [sys.executable, "-c", f"import sys; sys.argv[0] = 'avis'\n{AVIS[2]}"]
    assert script in ends([*start, "--show-completion", shell], tmp_path, **named)[1]
    typed = {"_AVIS_COMPLETE": f"complete_{shell}", "COMP_WORDS": "avis ins", "COMP_CWORD": "1"}
    assert "inspect_store" in ends(start, tmp_path, **typed, _TYPER_COMPLETE_ARGS="avis ins")[1]


@pytest.mark.slow
def test_a_wheel_is_all_it_takes(tmp_path):
    pytest.importorskip("setuptools", "77")  # the least that builds it
    source, site, elsewhere = (tmp_path / name for name in ("source", "site", "elsewhere"))
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    status, out, err = ends([sys.executable, "-c", build], source)
    assert status == 0, err
    with zipfile.ZipFile(source / out.splitlines()[-1]) as wheel:
        wheel.extractall(site)
    files = (path.relative_to(source) for folder in FOLDERS for path in (source / folder).rglob("*.*"))
    assert {path.suffix for path in files if not (site / path).exists()} == {".md", ".png"}, "documents"
    elsewhere.mkdir()
    without_source = os.pathsep.join([str(site), *(path for path in sys.path if path != str(ROOT))])
    status, out, err = ends([*AVIS, "compare", "--cfg", "hydra"], elsewhere, PYTHONPATH=without_source)
    assert (status, err) == (0, "")
    assert f"path: {site / 'configs'}\n" in out
