"""Every choice of every group composes with every pipeline that has the group, and fits the classes it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import instantiate

CONFIGS = Path(__file__).parents[2] / "configs"
PIPELINES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "base")

ONE_ROW = ["model.pooling.rows=1", "model.pooling.num_ranges=1"]
UNLIKE_RESNET = {
    "correlation": {"ecapa_512": ONE_ROW, "xvector": ONE_ROW},
    "multi_query_multi_head": {"xvector": ["model.pooling.num_heads=4"]},  # of 1500 channels
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


def test_the_pipelines_are_those_that_have_a_configuration():
    assert set(PIPELINES) >= {"prepare", "train", "score", "evaluate"}
    assert all((CONFIGS.parent / "pipelines" / f"{name}.py").exists() for name in PIPELINES)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_defaults_compose(pipeline: str, composed: Callable[..., Any]):
    recipe = composed(pipeline).recipe
    assert recipe["output_dir"] == "outputs"
    assert "hydra" not in recipe


@pytest.mark.parametrize(("pipeline", "group", "choice"), every_choice(), ids=lambda value: str(value))
def test_every_choice_fits_its_classes(pipeline: str, group: str, choice: str, composed: Callable[..., Any]):
    """`resolve` checks each ``_target_`` against its signature, names and types."""
    assert composed(pipeline, f"{group}={choice}").recipe


@pytest.mark.parametrize("group", ["features", "model", "optimizer", "scheduler", "scoring", "augment", "loss"])
def test_every_choice_that_needs_no_files_can_be_built(group: str, composed: Callable[..., Any]):
    for path in sorted((CONFIGS / group).glob("*.yaml")):
        _, missing, recipe = composed("train", f"{group}={path.stem}")
        if not missing and "[self_supervised" not in path.read_text():  # which come from a hub
            with torch.device("meta" if group == "model" else "cpu"):
                assert instantiate(recipe[group]) is not None, path


@pytest.mark.parametrize("model", ["ecapa_512", "resnet34", "xvector"])
@pytest.mark.parametrize("pooling", [path.stem for path in sorted((CONFIGS / "model" / "pooling").glob("*.yaml"))])
def test_every_pooling_fits_models_that_leave_it_open(model: str, pooling: str, composed: Callable[..., Any]):
    needed = UNLIKE_RESNET.get(pooling, {}).get(model, [])
    values = composed("train", f"model={model}", f"model/pooling={pooling}", *needed).recipe["model"]
    with torch.device("meta"):
        built = instantiate(values)
    assert built.embedding.in_features == built.pooling.out_channels


def test_the_groups_are_used():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert set().union(*map(groups_of, PIPELINES)) == folders
