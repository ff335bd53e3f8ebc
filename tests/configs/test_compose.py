"""Every choice of every group composes with every pipeline that has the group, and fits the classes it names."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from avis.engine.config import resolve

CONFIGS = Path(__file__).parents[2] / "configs"
PIPELINES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "base")
ASKED_FOR = {
    "score": ["checkpoint=x"],
    "evaluate": ["scores=x"],
    "compare": ["runs=[x,y]"],
    "inspect_store": ["store=x"],
    "export": ["checkpoint=x", "file=x"],
    "import_checkpoint": ["source=speechbrain_ecapa", "weights=x", "checkpoint=x"],
}


def groups_of(pipeline: str) -> set[str]:
    defaults = yaml.safe_load((CONFIGS / f"{pipeline}.yaml").read_text())["defaults"]
    return {key for entry in defaults if isinstance(entry, dict) for key in entry if not key.startswith("override ")}


def every_choice() -> list[tuple[str, str, str]]:
    return [
        (pipeline, group, path.stem)
        for pipeline in PIPELINES
        for group in sorted(groups_of(pipeline))
        for path in sorted((CONFIGS / group).glob("*.yaml"))
    ]


def left_out(values: dict[str, Any]) -> list[str]:
    below = [f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in left_out(value)]
    return [key for key, value in values.items() if value == "???"] + below


def mandatory(path: Path) -> list[str]:
    """Return overrides for the values that a choice leaves to the user (``???``)."""
    values = yaml.safe_load(path.read_text()) or {}
    inherited = [entry for entry in values.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    own = [f"{path.parent.name}.{key}=x" for key in left_out(values)]
    return own + [line for name in inherited for line in mandatory(path.parent / f"{name}.yaml")]


def composed(pipeline: str, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return resolve(compose(pipeline, [*ASKED_FOR.get(pipeline, []), *overrides]))


def test_the_pipelines_are_those_that_have_a_configuration():
    assert set(PIPELINES) >= {"prepare", "train", "score", "evaluate"}
    assert all((CONFIGS.parent / "pipelines" / f"{name}.py").exists() for name in PIPELINES)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_defaults_compose(pipeline: str):
    recipe = composed(pipeline)
    assert recipe["output_dir"] == "outputs"
    assert "hydra" not in recipe


@pytest.mark.parametrize(("pipeline", "group", "choice"), every_choice(), ids=lambda value: str(value))
def test_every_choice_fits_its_classes(pipeline: str, group: str, choice: str):
    """`resolve` checks each ``_target_`` against its signature, names and types."""
    path = CONFIGS / group / f"{choice}.yaml"
    values = [] if group == "experiment" else mandatory(path)
    assert composed(pipeline, f"{group}={choice}", *values)


@pytest.mark.parametrize("group", ["features", "model", "optimizer", "scheduler", "scoring", "augment", "loss"])
def test_every_choice_that_needs_no_files_can_be_built(group: str):
    for path in sorted((CONFIGS / group).glob("*.yaml")):
        if not mandatory(path):
            built = instantiate(composed("train", f"{group}={path.stem}")[group])
            assert built is not None, path


def test_the_groups_are_used():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert set().union(*map(groups_of, PIPELINES)) == folders
