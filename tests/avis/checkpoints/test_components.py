"""Components: built of plain data, of AVIS's own classes and torch's optimisers alone."""

import functools

import pytest
import torch

from avis.checkpoints.components import Component, build, find_component
from avis.losses.softmax import Softmax

COSINE = {"_target_": "avis.scoring.cosine.Cosine", "center": False}


def test_arguments_are_built_before_what_takes_them():
    chain = build({"_target_": "avis.scoring.chain.Chain", "steps": [COSINE]})
    assert type(chain.backend).__name__ == "Cosine"
    assert build({"a": [COSINE, 3], "b": None})["a"][1] == 3


def test_a_partial_component_takes_the_rest_later():
    optimizer = Component({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5}).build()
    assert isinstance(optimizer, functools.partial)
    assert optimizer([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]["lr"] == 0.5


def test_a_component_is_found_by_its_path():
    assert find_component("avis.losses.softmax.Softmax") is Softmax


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.load",
        "torch.hub.load",
        "avis.store.write_bytes",
        "avis.location.read_bytes",
        "avis.models.xvector.torch",
        "avis.audio.decode.decode",
        "avis.scoring.chain.Sequence",
        "avis.augment.bank.os.remove",
        "avis.models.nothing.Nothing",
        "torch.optimizers.Adam",
        "Cosine",
        "",
    ],
)
def test_nothing_else_is_ever_called(path: str):
    with pytest.raises(ValueError, match="unknown component: got _target_="):
        build({"outer": [{"_target_": path}]})
