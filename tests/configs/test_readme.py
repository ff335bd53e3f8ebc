"""`configs/README.md` names every choice, and the sizes of the models are right."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate

CONFIGS = Path(__file__).parents[2] / "configs"
README = (CONFIGS / "README.md").read_text()
GROUPS = sorted({path.parent for path in CONFIGS.glob("*/**/*.yaml")})
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in README.splitlines() if line.startswith("|")]
SIZES = [
    (model.strip("`"), size)
    for row in ROWS
    for model, size in zip(row[1].split("<br>"), row[2].split("<br>"), strict=True)
    if re.fullmatch(r"[\d.]+ M", size)
]
"""Models in the second column, their parameters in the third."""


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_choice_is_named(group: Path):
    missing = [path.stem for path in group.glob("*.yaml") if f"`{path.stem}`" not in README]
    assert not missing, f"configs/README.md lacks {', '.join(missing)} of {group.name}: name them in the group's line"


def test_every_model_has_a_size():
    assert {model for model, _ in SIZES} == {path.stem for path in (CONFIGS / "model").glob("*.yaml")}


def test_recipes_hold_out_as_many_speakers_as_is_said(composed: Callable[..., Any]):
    [number] = re.findall(r"holds out (\d+) speakers for validation", README)
    for path in sorted((CONFIGS / "experiment").glob("*_celeb_*.yaml")) + sorted(CONFIGS.glob("experiment/voxceleb_*")):
        recipe = composed("train", f"experiment={path.stem}").recipe
        assert recipe["sharding"]["num_validation_speakers"] == int(number), path.stem


@pytest.mark.slow
@pytest.mark.parametrize(("model", "size"), SIZES)
def test_sizes(model: str, size: str, composed: Callable[..., Any]):
    values = composed("train", f"model={model}").recipe["model"]
    with torch.device("meta"):
        built = instantiate(values)
    assert f"{sum(weights.numel() for weights in built.parameters()) / 1e6:.2f} M" == size
