"""Models whose weights are shuffled from the top downwards."""

import copy

import numpy as np
import pytest
import torch

from avis.explain.faithfulness.maps import agreement, map_of, side
from avis.explain.faithfulness.randomised import cascade
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


def test_parts_are_shuffled_one_after_the_other_from_the_last(parts):
    verifier = Verifier(parts)
    before = copy.deepcopy(verifier.model.state_dict())
    made = list(cascade(verifier))
    names = [name for name, _ in made]
    assert names[-1] == "first"
    assert [name for name, _ in verifier.model.named_children() if name in names] == names[::-1]
    changed = [
        {
            name.split(".")[0]
            for name, tensor in other.model.state_dict().items()
            if not torch.equal(tensor, before[name])
        }
        for _, other in made
    ]
    for number, (name, each) in enumerate(zip(names, changed, strict=True)):
        assert each <= set(names[: number + 1])
        assert name in each or name.endswith("norm")  # of an untrained normalisation all values are alike
    assert all(torch.equal(tensor, before[name]) for name, tensor in verifier.model.state_dict().items())


@pytest.mark.slow
def test_values_stay_what_they_were(parts):
    verifier = Verifier(parts)
    *_, (_, last) = cascade(verifier)
    for name, tensor in verifier.model.state_dict().items():
        shuffled = last.model.state_dict()[name]
        assert torch.equal(shuffled.flatten().sort().values, tensor.flatten().sort().values)


def test_a_map_that_owes_nothing_to_weights_stays(by_hand, voice):
    enroll, test = voice(500.0, 1), voice(500.0, 2)
    known = map_of(by_hand, side(by_hand, enroll), side(by_hand, test))
    for _, other in cascade(by_hand):
        assert abs(agreement(known, map_of(other, side(other, enroll), side(other, test)))) > 0.9


def test_a_map_of_a_network_changes(parts):
    verifier = Verifier(parts)
    given = (talk(1), RATE), (talk(2), RATE)
    known = map_of(verifier, *(side(verifier, each) for each in given))
    *_, (_, last) = cascade(verifier)
    assert not np.allclose(known.llr, map_of(last, *(side(last, each) for each in given)).llr)
