"""Every choice of every group composes with every pipeline that has the group, and fits the classes it names."""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import instantiate

from avis.engine.config import check
from tests import compositions
from tests.compositions import CONFIGS

PIPELINES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "base")
NEED_NO_FILES = ("features", "model", "optimizer", "scheduler", "scoring", "augment", "loss")

ONE_ROW = {"rows": 1, "num_ranges": 1}
UNLIKE_RESNET = {
    "correlation": {"ecapa_512": ONE_ROW, "xvector": ONE_ROW},
    "multi_query_multi_head": {"xvector": {"num_heads": 4}},  # of 1500 channels
}

Choice = tuple[str, str]
"""Group and name."""


def groups_of(pipeline: str) -> set[str]:
    defaults = yaml.safe_load((CONFIGS / f"{pipeline}.yaml").read_text())["defaults"]
    return {key for entry in defaults if isinstance(entry, dict) for key in entry if not key.startswith("override ")}


def choices(group: str) -> list[Choice]:
    return [(group, path.stem) for path in sorted((CONFIGS / group).glob("*.yaml"))]


def every_choice() -> list[tuple[str, str, str]]:
    return [(pipeline, *choice) for pipeline in PIPELINES for group in groups_of(pipeline) for choice in choices(group)]


def few_compositions(pipeline: str) -> list[list[Choice]]:
    """Return what to compose so that each choice is chosen once: one of every group at a time.

    An experiment chooses for other groups, and is composed in ``test_experiments.py``; some models choose features,
    which are composed where there is no model.
    """
    there = groups_of(pipeline)
    apart = {"experiment", "features"} if "model" in there else {"experiment"}
    groups = sorted(there - apart, key=lambda group: len(choices(group)), reverse=True)
    rows = zip_longest(*(choices(group) for group in groups))
    return [[choice for choice in row if choice] for row in rows]


def each_choice_once() -> Iterator[Any]:
    """Pipelines and what to compose; slow are those whose choices `train` or a pipeline before has too, but a first."""
    known: set[Choice] = set()
    for pipeline in sorted(PIPELINES, key=lambda name: name != "train"):
        for number, chosen in enumerate(few_compositions(pipeline)):
            repeats = number > 0 and known.issuperset(chosen)
            known |= {*chosen}
            name = f"{pipeline}-{'-'.join(chosen[0])}"
            yield pytest.param(pipeline, chosen, id=name, marks=[pytest.mark.slow] if repeats else [])


def test_the_pipelines_are_those_that_have_a_configuration():
    assert set(PIPELINES) >= {"prepare", "train", "score", "evaluate"}
    assert all((CONFIGS.parent / "pipelines" / f"{name}.py").exists() for name in PIPELINES)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_defaults_compose(pipeline: str, composed: Callable[..., Any]):
    recipe = composed(pipeline).recipe
    assert recipe["output_dir"] == "outputs"
    assert "hydra" not in recipe


@pytest.mark.parametrize(("pipeline", "chosen"), each_choice_once())
def test_every_choice_fits_its_classes(pipeline: str, chosen: list[Choice], composed: Callable[..., Any]):
    """`resolve` checks each ``_target_`` against its signature, names and types; what needs no files is built."""
    _, missing, recipe = composed(pipeline, *("=".join(choice) for choice in chosen))
    for bank in recipe.get("augment", {}).values():
        if isinstance(bank, dict) and "num" in bank:
            bank["num"] = 1  # rooms take a quarter of a second each
    for group, name in chosen:
        from_a_hub = "[self_supervised" in (CONFIGS / group / f"{name}.yaml").read_text()
        if group in NEED_NO_FILES and not from_a_hub and not any(key.startswith(f"{group}.") for key in missing):
            with torch.device("meta" if group == "model" else "cpu"):
                assert instantiate(recipe[group]) is not None, name


@pytest.mark.slow
@pytest.mark.parametrize(("pipeline", "group", "choice"), every_choice(), ids=str)
def test_every_choice_goes_with_the_defaults(pipeline: str, group: str, choice: str, composed: Callable[..., Any]):
    assert composed(pipeline, f"{group}={choice}").recipe


@pytest.mark.parametrize("model", ["ecapa_512", "resnet34", "xvector"])
@pytest.mark.parametrize("pooling", [name for _, name in choices("model/pooling")])
def test_every_pooling_fits_models_that_leave_it_open(model: str, pooling: str, composed: Callable[..., Any]):
    values = composed("train", f"model={model}").recipe["model"]
    needed = UNLIKE_RESNET.get(pooling, {}).get(model, {})
    values["pooling"] = {**compositions.composed(f"model/pooling/{pooling}").model.pooling, **needed}
    check(values, "model")
    with torch.device("meta"):
        built = instantiate(values)
    assert built.embedding.in_features == built.pooling.out_channels


def test_a_pooling_is_chosen_on_the_command_line(composed: Callable[..., Any]):
    chosen = composed("train", "model=xvector", "model/pooling=correlation", "model.pooling.rows=1").recipe["model"]
    assert chosen["pooling"] == {**compositions.composed("model/pooling/correlation").model.pooling, "rows": 1}


def test_the_groups_are_used():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert set().union(*map(groups_of, PIPELINES)) == folders
