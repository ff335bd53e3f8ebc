"""Every choice of every group composes with every pipeline that has the group, and fits the classes it names."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from avis.engine.config import resolve

CONFIGS = Path(__file__).parents[2] / "configs"
STAGE_BEFORE = "${checkpoint_of_the_stage_before}"
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


def left_out(values: dict[str, Any]) -> list[str]:
    """Return the keys of values that are left to the user (``???``, which does not replace a null)."""
    below = [f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in left_out(value)]
    return [key for key, value in values.items() if value in ("???", STAGE_BEFORE)] + below


def unfilled(pipeline: str, *overrides: str) -> tuple[DictConfig, list[str]]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose(pipeline, list(overrides))
    return cfg, left_out(OmegaConf.to_container(cfg))  # type: ignore[arg-type]


def composed(pipeline: str, *overrides: str) -> dict[str, Any]:
    cfg, keys = unfilled(pipeline, *overrides)
    for key in keys:
        OmegaConf.update(cfg, key, "x")
    return resolve(cfg)


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
    assert composed(pipeline, f"{group}={choice}")


@pytest.mark.parametrize("group", ["features", "model", "optimizer", "scheduler", "scoring", "augment", "loss"])
def test_every_choice_that_needs_no_files_can_be_built(group: str):
    for path in sorted((CONFIGS / group).glob("*.yaml")):
        cfg, keys = unfilled("train", f"{group}={path.stem}")
        if not keys and "[self_supervised" not in path.read_text():  # which come from a hub
            assert instantiate(resolve(cfg)[group]) is not None, path


@pytest.mark.parametrize("model", ["ecapa_512", "resnet34", "xvector"])
@pytest.mark.parametrize("pooling", [path.stem for path in sorted((CONFIGS / "model" / "pooling").glob("*.yaml"))])
def test_every_pooling_fits_models_that_leave_it_open(model: str, pooling: str):
    needed = UNLIKE_RESNET.get(pooling, {}).get(model, [])
    values = composed("train", f"model={model}", f"model/pooling={pooling}", *needed)["model"]
    with torch.device("meta"):
        built = instantiate(values)
    assert built.embedding.in_features == built.pooling.out_channels


def test_the_groups_are_used():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert set().union(*map(groups_of, PIPELINES)) == folders
