"""The main job, run once as a user starts it, and the scripts of the other pipelines."""

import contextlib
import functools
import io
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, list[str]]) -> tuple[Path, str]:
    """Run the main job from a folder of its own; return that folder and what the job said."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, str(PIPELINES / "train.py"), "compute=debug", "run=first", *tiny["train"]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="session")
def help_of() -> Callable[[str], str]:
    """Return what asks a pipeline's script for help, once: ``help_of("score")``."""

    @functools.cache
    def asked(name: str) -> str:
        script, said = str(PIPELINES / f"{name}.py"), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
            patch.setattr(sys, "argv", [script, "--help"])
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(script, run_name="__main__")
        assert ended.value.code in (0, None)
        return said.getvalue()

    return asked


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what runs a pipeline's script in this process: ``start("score", "trials=...")``."""

    def run(name: str, *arguments: str) -> None:
        script = str(PIPELINES / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(script, run_name="__main__")

    return run
