"""Preparing alone: corpora in, utterances store out."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_sources_are_prepared_alone(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    tiny: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    [uri] = (folder / "outputs" / "stores").iterdir()
    start("prepare", "compute=debug", *tiny["prepare"])
    assert capsys.readouterr().out.splitlines()[-1] == f"40 utterances, 0 rejects: {uri}"


@pytest.mark.slow
def test_an_unknown_key_is_named(tmp_path: Path):
    """Hydra's own message, without a trace of where in Hydra it came up, before anything heavy is imported."""
    for script in ("prepare", "train"):
        command = [sys.executable, "-X", "importtime", str(PIPELINES / f"{script}.py"), "sharding.sampel_rate=8000"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
        assert done.returncode == 1
        assert "sharding.sampel_rate" in done.stderr
        assert "hydra" in imported
        assert not imported & {"ray", "lightning"}
    assert list(tmp_path.iterdir()) == []
