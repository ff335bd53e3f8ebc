"""A choice says only what differs from the choice it inherits, and names every class where it is defined."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object

from avis.checkpoints.components import leaves

CONFIGS = Path(__file__).parents[2] / "configs"
CHOICES = sorted(CONFIGS.glob("*/**/*.yaml"))
TARGETS = sorted(
    {target for path in CONFIGS.rglob("*.yaml") for target in re.findall(r"_target_: (\S+)", path.read_text())}
)
FAMILIES = ["model", "model/pooling", "loss", "optimizer", "pairing", "source"]
"""Groups whose choices build one object, by its ``_target_``."""


def own_values(path: Path) -> dict[str, Any]:
    """Return the values that stand in a file, by their keys."""
    content = yaml.safe_load(path.read_text())
    return {key: value for key, value in leaves(content).items() if not key.startswith("defaults.")}


def inherited_values(path: Path) -> dict[str, Any]:
    """Return the values of the choices of the same group that a file's defaults name, and of those they inherit."""
    values: dict[str, Any] = {}
    for entry in yaml.safe_load(path.read_text()).get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            parent = path.with_name(f"{entry.removesuffix('@_here_')}.yaml")
            values |= inherited_values(parent) | own_values(parent)
    return values


@pytest.mark.parametrize("path", CHOICES, ids=lambda path: str(path.relative_to(CONFIGS).with_suffix("")))
def test_nothing_that_is_inherited_is_said_again(path: Path):
    """Lists are replaced whole, so their items may be the same."""
    values = {key: value for key, value in own_values(path).items() if not re.search(r"\.\d+(\.|$)", key)}
    assert values.items() & inherited_values(path).items() == set()


@pytest.mark.parametrize("group", FAMILIES)
def test_one_choice_of_a_family_names_the_class(group: str):
    """Where several choices build one class, all but one inherit."""
    values = [own_values(path) for path in (CONFIGS / group).glob("*.yaml")]
    named = Counter(each.get("_target_") or each.get("source._target_") for each in values)
    del named[None]
    assert {target for target, count in named.items() if count > 1} == set()


@pytest.mark.parametrize("target", TARGETS)
def test_every_class_is_named_where_it_is_defined(target: str):
    """PyTorch documents its optimisers as ``torch.optim.AdamW``, whose modules are its own affair."""
    found = get_object(target)
    assert f"{found.__module__}.{found.__qualname__}" == target or target.startswith("torch.optim.")
