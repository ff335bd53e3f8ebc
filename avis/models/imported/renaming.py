"""Take over the weights of another toolkit's checkpoint, every key of it accounted for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

COUNTER = "num_batches_tracked"
"""Batches that a normalisation has seen: not part of what a model computes, and left out by some toolkits."""
SHOWN_KEYS = 5
"""How many of the keys that don't fit are named."""


@dataclass(frozen=True)
class Imported:
    """A model of AVIS with another toolkit's weights.

    Parameters
    ----------
    model_class : type[nn.Module]
        What is built.
    sizes : dict of str to object
        Its arguments: plain data, and partial classes for what the model builds.
    weights : dict of str to Tensor
        Its state.
    front_end : dict of str to Tensor
        Constants of the front end that it was trained with, where the checkpoint has them, by the names of ours.
    """

    model_class: type[nn.Module]
    sizes: dict[str, Any]
    weights: dict[str, Tensor]
    front_end: dict[str, Tensor] = field(default_factory=dict)

    def node(self) -> dict[str, Any]:
        """Return what a recipe says about the model."""
        sizes = {
            key: _partial_node(value) if isinstance(value, partial) else value for key, value in self.sizes.items()
        }
        return {"_target_": _path(self.model_class), **sizes}

    def build(self) -> nn.Module:
        """Build the model with its weights, in evaluation mode.

        Raises
        ------
        ValueError
            If the weights are not exactly those of the model.
        """
        with torch.random.fork_rng(devices=[]):
            model = self.model_class(**self.sizes)
        own = model.state_dict()
        counters = {key: value for key, value in own.items() if key.endswith(COUNTER)}
        given = counters | self.weights
        wrong = [key for key in own.keys() & given.keys() if own[key].shape != given[key].shape]
        refuse(own.keys() - given.keys(), rule="weights are missing", expected=f"those of {self.model_class.__name__}")
        refuse(
            given.keys() - own.keys(), rule="weights have no place", expected=f"those of {self.model_class.__name__}"
        )
        refuse(wrong, rule="weights have another shape", expected=f"those of {self.model_class.__name__}")
        model.load_state_dict(given)
        return model.eval()


def _partial_node(built: partial) -> dict[str, Any]:
    return {"_target_": _path(built.func), "_partial_": True, **built.keywords}


def _path(target: Any) -> str:
    return f"{target.__module__}.{target.__qualname__}"


def rename(
    weights: Mapping[str, Tensor], rules: Sequence[tuple[str, str]], *, dropped: Sequence[str] = ()
) -> dict[str, Tensor]:
    r"""Give every tensor the name that the first rule which fits it says.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The other toolkit's.
    rules : sequence of (str, str)
        A regular expression, which a name fits from its beginning up to the name of a layer, and what replaces it.
    dropped : sequence of str
        Regular expressions of names, in full, that are deliberately left out: classifiers of training speakers, and
        constants of front ends.

    Raises
    ------
    ValueError
        Naming the keys that no rule fits, or that two tensors would share.

    Examples
    --------
    >>> some = {"layer.0.weight": torch.zeros(1), "head.weight": torch.zeros(1)}
    >>> list(rename(some, [(r"layer\.(\d+)", r"blocks.\1.conv")], dropped=[r"head\..*"]))
    ['blocks.0.conv.weight']
    """
    renamed: dict[str, Tensor] = {}
    unknown, twice = [], []
    for key, value in weights.items():
        if any(re.fullmatch(pattern, key) for pattern in dropped):
            continue
        name = _renamed(key, rules)
        if name is None:
            unknown.append(key)
        elif name in renamed:
            twice.append(key)
        else:
            renamed[name] = value
    refuse(unknown, rule="keys of another layout", expected="those that the chosen source writes")
    refuse(twice, rule="keys with one meaning", expected="one key for each tensor")
    return renamed


def _renamed(key: str, rules: Sequence[tuple[str, str]]) -> str | None:
    layer, dot, parameter = key.rpartition(".")
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, layer)
        if match:
            return match.expand(replacement) + dot + parameter
    return None


def refuse(keys: Any, *, rule: str, expected: str) -> None:
    """Refuse keys that do not fit, if there are any.

    Raises
    ------
    ValueError
        Naming the first of them and how many there are.
    """
    names = sorted(keys)
    if names:
        raise ValueError(
            f"{rule}: got {len(names)} such as {', '.join(names[:SHOWN_KEYS])}, expected {expected}. At weights. "
            "Choose the source that wrote this checkpoint; other variants of its models are not known."
        )


def take(weights: dict[str, Tensor], key: str) -> Tensor:
    """Take out the tensor of a name, whose shape says how large the model is.

    Raises
    ------
    ValueError
        If there is none.
    """
    if key not in weights:
        refuse([key], rule="weights are missing", expected="them")
    return weights[key]


def count(weights: Mapping[str, Tensor], pattern: str) -> int:
    r"""Return how many numbers the names have at the group of a regular expression.

    >>> count({"a.0.weight": torch.zeros(1), "a.1.weight": torch.zeros(1), "a.1.bias": torch.zeros(1)}, r"a\.(\d+)\..*")
    2
    """
    return len({match[1] for key in weights if (match := re.fullmatch(pattern, key))})
