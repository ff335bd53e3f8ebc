"""Give each layer of a self-supervised front end a learning rate of its own."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

FRONT_END = "front_end.backbone."
LAYER = re.compile(r"encoder\.layers\.(\d+)\.")
"""In the names of transformers' weights."""


def by_layer(
    weights: Iterable[tuple[str, nn.Parameter]],
    *,
    optimizer: Callable[..., torch.optim.Optimizer],
    lr: float,
    front_end_lr: float,
    layer_decay: float,
) -> torch.optim.Optimizer:
    """Make an optimiser with layer-wise learning-rate decay (LLRD).

    Parameters
    ----------
    weights : iterable of (str, torch.nn.Parameter)
        Names and weights of a training: those of the front end's model begin with ``front_end.backbone.``.
    optimizer : callable
        Makes the optimiser of groups of weights.
    lr : float
        Peak rate of everything that is not the front end's model.
    front_end_lr : float
        Peak rate of its last layer.
    layer_decay : float
        Rate of each layer below it, as a share of the layer's above. What lies below the first layer counts as one
        more.

    Raises
    ------
    ValueError
        If there are no layers to be trained.

    References
    ----------
    Peng et al., 2022, https://arxiv.org/abs/2210.01273; JunyiPeng00/SLT22_MultiHead-Factorized-Attentive-Pooling,
    ``SpeakerNet.py``, which counts from the first layer: its ``LLRD_factor`` is the inverse of ``layer_decay``.
    """
    heads: list[tuple[str, nn.Parameter]] = []
    layers: dict[int, list[tuple[str, nn.Parameter]]] = {}
    for name, weight in weights:
        if weight.requires_grad:
            (layers.setdefault(_layer(name), []) if name.startswith(FRONT_END) else heads).append((name, weight))
    if not layers:
        raise ValueError(
            "no layers with learning rates of their own: got none that are trained, expected those of a front end. At "
            "optimizer. Choose another, or a self-supervised model: features.front_end.frozen=false."
        )
    groups: list[dict[str, Any]] = [{"params": heads, "lr": lr}]
    for number, members in sorted(layers.items()):
        groups.append({"params": members, "lr": front_end_lr * layer_decay ** (max(layers) - number)})
    return optimizer(groups)


def _layer(name: str) -> int:
    """Return the number of the layer that a weight is of, from 0; -1 below them."""
    found = LAYER.search(name)
    return int(found[1]) if found else -1
