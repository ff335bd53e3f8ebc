"""What the tests of configurations share: each is composed and checked once."""

import copy
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from omegaconf import DictConfig, OmegaConf

from avis.engine.config import resolve
from tests import compositions

STAGE_BEFORE = "${checkpoint_of_the_stage_before}"


class Composed(NamedTuple):
    """A composed configuration."""

    tree: DictConfig
    """As Hydra returns it, read only."""
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
    tree = compositions.composed(pipeline, *overrides)
    missing = missing_keys(OmegaConf.to_container(tree))  # type: ignore[arg-type]
    filled = tree.copy()
    OmegaConf.set_readonly(filled, False)
    for key in missing:
        OmegaConf.update(filled, key, "x")
    return Composed(tree, missing, resolve(filled))


@pytest.fixture(scope="session")
def composed() -> Callable[..., Composed]:
    """Return what composes a pipeline's configuration: ``composed("train", "model=resnet34").recipe``."""

    def recipe_of_its_own(pipeline: str, *overrides: str) -> Composed:
        made = composed_once(pipeline, *overrides)
        return made._replace(recipe=copy.deepcopy(made.recipe))

    return recipe_of_its_own
