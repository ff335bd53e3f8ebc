"""Every measurement is made once on little: it runs to its end and states its figures."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from pipelines.benchmarks.evaluation import metrics
from pipelines.benchmarks.examples import augment, features, models
from pipelines.benchmarks.scoring import scoring
from pipelines.benchmarks.training import families, plain

ROOT = Path(__file__).parents[2]
CONFIGS = str(ROOT / "configs")
IN_A_PROCESS = """
import sys
from hydra import compose, initialize_config_dir
from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from pipelines.benchmarks.{module} import {measurement}
if __name__ == "__main__":
    with initialize_config_dir(sys.argv[1], version_base="1.3"):
        recipe = Recipe.of(resolve(compose("train", sys.argv[2:])))
    {measurement}(recipe, {sizes})
"""
"""Of measurements that start a Ray of their own."""
Compose = Callable[..., Recipe]


def test_features_are_torchaudios_and_timed(recipe: Compose, capsys: pytest.CaptureFixture[str]):
    features(recipe(), num_rounds=1)
    assert re.search(r"AVIS, a batch +[\d.]+ ms, torchaudio's time / [\d.]+", capsys.readouterr().out)


def test_each_transform_is_timed(recipe: Compose, capsys: pytest.CaptureFixture[str]):
    augment(recipe(), num_crops=3)
    timed = re.findall(r"^  (\w+).* [\d.]+$", capsys.readouterr().out, re.MULTILINE)
    assert timed == ["features", "speed", "all", "Reverb", "Noise", "Babble"]


def test_models_are_costed(recipe: Compose, capsys: pytest.CaptureFixture[str]):
    tiny = recipe()
    with initialize_config_dir(CONFIGS, version_base="1.3"):
        models(tiny, choices="ecapa_tiny")
    assert re.search(r"^ecapa_tiny +0\.57 M +[\d.]+$", capsys.readouterr().out, re.MULTILINE)


def test_scores_are_those_of_the_loops(recipe: Compose, capsys: pytest.CaptureFixture[str]):
    scoring(recipe(), num_trials=100, num_speakers=5)
    assert re.search(r"SpeechBrain's loop +\d+ trials/s", capsys.readouterr().out)


def test_figures_are_timed_beside_sorts(recipe: Compose, capsys: pytest.CaptureFixture[str]):
    metrics(recipe("+long_trials=3000"), num_scores=2000)
    assert "3,000 trials with likelihood ratios" in capsys.readouterr().out


def test_a_plain_loop_trains_and_scores(recipe: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plain(recipe(f"output_dir={tmp_path}"))
    assert "synthetic: EER" in capsys.readouterr().out


def test_families_are_trained_alike(tmp_path: Path, tiny: dict[str, list[str]], capsys: pytest.CaptureFixture[str]):
    overrides = [*tiny["train"], "compute=debug", f"output_dir={tmp_path}"]
    with initialize_config_dir(CONFIGS, version_base="1.3"):
        HydraConfig.instance().set_config(compose("train", overrides, return_hydra_config=True))
        families(Recipe.of(resolve(compose("train", overrides))), choices="ecapa_tiny")
    assert re.search(r"^ecapa_tiny +synthetic: EER .* examples/s", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "measurement", "sizes", "figures"),
    [
        ("growth", "growth", "all_times=[1, 2]", r"40 files: largest worker +[1-9]\d* MiB"),
        ("preparing", "preparing", "num_recordings=4", r"one worker \d+, two \d+ audio hours an hour"),
        ("training", "ingest", "", r"materialize +[\d.]+ samples/s"),
    ],
)
def test_what_starts_ray_is_measured(
    module: str, measurement: str, sizes: str, figures: str, tmp_path: Path, tiny: dict[str, list[str]]
):
    script = tmp_path / "measure.py"
    script.write_text(IN_A_PROCESS.format(module=module, measurement=measurement, sizes=sizes))
    command = [sys.executable, str(script), CONFIGS, *tiny["train"], f"output_dir={tmp_path}"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert re.search(figures, done.stdout), done.stdout + done.stderr
