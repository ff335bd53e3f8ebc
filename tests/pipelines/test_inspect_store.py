"""Inspecting a store from the command line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_a_store_is_inspected(
    tmp_path: Path, start: Callable[..., None], tiny_store: str, capsys: pytest.CaptureFixture[str]
):
    name = Path(tiny_store).name
    start("inspect_store", f"store={tiny_store}", f"output_dir={tmp_path}")
    said = capsys.readouterr().out.splitlines()
    page = Path(said[-1])
    assert page == tmp_path / "inspected" / name / "inspect.html"
    found = json.loads((page.parent / "inspect.json").read_text())
    # see `TINY_CORPUS`: 6 training and 4 test speakers, 2 sessions of 2 utterances of 1.5 s each
    assert {group["split"]: group["utterances"] for group in found["groups"]} == {
        **{"train": 16, "validation": 8, "test": 16}
    }
    assert found["total"]["hours"] == pytest.approx(40 * 1.5 / 3600, rel=0.01)
    assert found["total"]["sessions"] == 20
    assert found["duplicates"]["across_speakers"]["groups"] == 0
    assert "40 utterances, 10 speakers, 20 sessions" in said[0]


def test_no_pipeline_hides_a_module_of_python():
    """A script's folder comes first on the path of all that it imports: ``inspect.py`` would break every pipeline."""
    assert not {path.stem for path in PIPELINES.glob("*.py")} & sys.stdlib_module_names
