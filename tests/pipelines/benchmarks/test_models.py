from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from pipelines.benchmarks.models import CHOICES, SMALL, families, models

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def overrides(tiny: dict[str, list[str]], tmp_path: Path) -> Iterator[list[str]]:
    """Return a command line, of which recipes can be composed."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield [*tiny["train"], "compute=debug", "trainer.num_epochs=1", f"output_dir={tmp_path}"]


@pytest.mark.slow
def test_parameters_and_operations_are_those_of_the_choice(
    overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"ecapa_512", "xvector_small", "mhfa"} <= set(CHOICES)
    models(Recipe.of(resolve(compose("train", overrides))), choices=["ecapa_512", "xvector_small"])
    _, ecapa, xvector = capsys.readouterr().out.splitlines()
    assert ecapa.split()[:3] == ["ecapa_512", "6.19", "M"]
    assert xvector.split()[0] == "xvector_small"


@pytest.mark.slow
def test_families_are_trained_alike_and_not_twice(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SMALL) >= 8
    recipe = Recipe.of(resolve(compose("train", overrides)))
    measured = []
    for _ in range(2):
        families(recipe, choices=["ecapa_small"], overrides=overrides)
        measured.append(capsys.readouterr().out)
    last = [printed.splitlines()[-1] for printed in measured]
    assert last[0].startswith("ecapa_small            synthetic: EER ")
    assert last[0].partition(", ")[0] == last[1].partition(", ")[0]
    assert "epoch" in measured[0]
    assert "epoch" not in measured[1]
    longer = [*overrides, "trainer.num_epochs=2"]
    with pytest.raises(ValueError, match="the families must be trained alike"):
        families(replace(recipe), choices=["ecapa_small"], overrides=longer)
