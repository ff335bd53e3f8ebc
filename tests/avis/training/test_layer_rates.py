"""Layer-wise learning rates, against the rule of MHFA's authors."""

from functools import partial

import pytest
import torch
from torch import nn

from avis.training.layer_rates import by_layer

LAYERS = 3
HEAD = {"model.key.weight", "loss.weight", "front_end.layer_weights"}
BELOW = {"front_end.backbone.feature_extractor.conv_layers.1.conv.weight", "front_end.backbone.encoder.layer_norm.bias"}


def weights(*, frozen: bool = False) -> list[tuple[str, nn.Parameter]]:
    names = sorted(HEAD) + [f"front_end.backbone.encoder.layers.{i}.attention.q_proj.weight" for i in range(LAYERS)]
    named = [(name, nn.Parameter(torch.ones(2))) for name in [*names, *sorted(BELOW)]]
    for name, weight in named:
        weight.requires_grad = not (frozen and name not in HEAD)
    return named


def rates(decay: float, named: list[tuple[str, nn.Parameter]]) -> dict[str, float]:
    optimizer = by_layer(named, optimizer=torch.optim.AdamW, lr=5e-3, front_end_lr=2e-5, layer_decay=decay)
    return {name: group["lr"] for group in optimizer.param_groups for name in group["param_names"]}


@pytest.mark.parametrize("llrd_factor", [1.0, 1.25])
def test_rates_are_those_of_the_authors(llrd_factor: float):
    """SpeakerNet.py: LR_MHFA, and LR_Transformer times LLRD_factor to the power of the layer's number, from 0."""
    top = 2e-5
    published = [top / llrd_factor ** (LAYERS - 1) * llrd_factor**i for i in range(LAYERS)]
    found = rates(1 / llrd_factor, weights())
    for i, rate in enumerate(published):
        assert found[f"front_end.backbone.encoder.layers.{i}.attention.q_proj.weight"] == pytest.approx(rate)
    assert {found[name] for name in HEAD} == {5e-3}


def test_what_lies_below_the_layers_counts_as_one_more():
    found = rates(0.5, weights())
    assert {found[name] for name in BELOW} == {2e-5 / 8}
    assert len(found) == len(weights())


def test_every_weight_moves_by_its_own_rate():
    """The first step of Adam is the learning rate, whatever the gradient."""
    named = weights()
    optimizer = by_layer(named, optimizer=partial(torch.optim.Adam, eps=0.0), lr=0.4, front_end_lr=0.2, layer_decay=0.5)
    sum(weight.square().sum() for _, weight in named).backward()
    optimizer.step()
    moved = [1 - float(weight.detach()[0]) for name, weight in named if "layers" in name and "encoder" in name]
    assert moved == pytest.approx([0.05, 0.1, 0.2])


def test_a_frozen_front_end_is_refused():
    with pytest.raises(ValueError, match=r"At optimizer\. .*features\.front_end\.frozen=false"):
        rates(0.5, weights(frozen=True))
