"""The page about a training that was stopped, and figures on the way to Ray's metrics."""

import shutil
from pathlib import Path

import pytest

from avis.engine import watching
from avis.engine.recipe import Recipe
from avis.engine.watching import reported, shown_running
from avis.engine.workers.gauges import RUNNING


def test_a_training_that_is_stopped_leaves_a_page_too(tiny_recipe: Recipe, tiny_run: str, tmp_path: Path):
    run_dir = str(shutil.copytree(tiny_run, tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt), reported(tiny_recipe, run_dir):
        raise KeyboardInterrupt
    page = Path(run_dir, "training.html").read_text()
    assert "so far the lowest of held-out speakers" in page
    assert "EcapaTdnn" in page


def test_what_hinders_the_page_does_not_hide_the_stop(tiny_recipe: Recipe, tmp_path: Path):
    (tmp_path / "training.html").mkdir()
    with pytest.raises(KeyboardInterrupt), reported(tiny_recipe, str(tmp_path)):
        raise KeyboardInterrupt


def test_a_training_is_shown_to_run_until_it_has_ended(monkeypatch: pytest.MonkeyPatch):
    shown: list[tuple[dict[str, float], str]] = []
    monkeypatch.setattr(watching, "set_gauges", lambda values, run: shown.append((values, run)))
    with pytest.raises(KeyboardInterrupt), shown_running("/runs/first"):
        raise KeyboardInterrupt
    assert shown == [({RUNNING: 1}, "first"), ({RUNNING: 0}, "first")]
