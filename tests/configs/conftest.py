"""What the tests of configurations share: a composition takes a tenth of a second, so each is made once."""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from avis.engine.config import resolve

CONFIGS = Path(__file__).parents[2] / "configs"
STAGE_BEFORE = "${checkpoint_of_the_stage_before}"


class Composed(NamedTuple):
    """A composed configuration."""

    tree: DictConfig
    """As Hydra returns it."""
    missing: list[str]
    """Keys that are left to the user."""
    recipe: dict[str, Any]
    """Checked, as plain data, with ``x`` for what is missing."""


def missing_keys(values: dict[str, Any]) -> list[str]:
    """Return the keys of values that are left to the user (``???``, which does not replace a null)."""
    below = [
        f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in missing_keys(value)
    ]
    return [key for key, value in values.items() if value in ("???", STAGE_BEFORE)] + below


@functools.cache
def composed_once(pipeline: str, *overrides: str) -> Composed:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        tree = compose(pipeline, list(overrides))
    missing = missing_keys(OmegaConf.to_container(tree))  # type: ignore[arg-type]
    filled = tree.copy()
    for key in missing:
        OmegaConf.update(filled, key, "x")
    return Composed(tree, missing, resolve(filled))


@pytest.fixture(scope="session")
def composed() -> Callable[..., Composed]:
    """Return what composes a pipeline's configuration: ``composed("train", "model=resnet34").recipe``."""
    return lambda pipeline, *overrides: copy.deepcopy(composed_once(pipeline, *overrides))
