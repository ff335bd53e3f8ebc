"""What a captioner sees at a place: the pair and the words before, nothing after."""

import pytest
import torch
from pydantic import ValidationError

from avis.explain.caption.model import CaptionModel, Sizes

SIZES = Sizes(dim=6, num_phrases=9, longest=7, prefix=3, width=16, layers=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = CaptionModel(SIZES).eval()
    made.mean.copy_(torch.randn(6))
    return made


@pytest.fixture
def pairs():
    return torch.randn(2, 2, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("place", range(6))
def test_a_later_word_changes_nothing_before_it(model, pairs, place):
    words = torch.tensor([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
    other = words.clone()
    other[:, place:] = 8
    one, changed = model(pairs, words), model(pairs, other)
    torch.testing.assert_close(one[:, : place + 1], changed[:, : place + 1])
    assert (one[:, place + 1] - changed[:, place + 1]).abs().max() > 1e-3


def test_either_embedding_counts_and_their_order(model, pairs):
    none = torch.zeros(2, 0, dtype=torch.int64)
    own = model(pairs, none)
    assert own.shape == (2, 1, 9)
    for other in (
        pairs.flip(1),
        torch.stack([pairs[:, 0], pairs[:, 0]], 1),
        torch.stack([pairs[:, 1], pairs[:, 1]], 1),
    ):
        assert (own - model(other, none)).abs().max() > 1e-4


def test_how_far_an_embedding_is_from_the_mean_does_not_count(model, pairs):
    none = torch.zeros(2, 0, dtype=torch.int64)
    farther = model.mean + 7.0 * (pairs - model.mean)
    torch.testing.assert_close(model(farther, none), model(pairs, none), rtol=1e-4, atol=1e-5)


def test_what_is_said_is_the_likeliest_word_at_each_place_and_ends(model, pairs):
    for row, said in enumerate(model.say(pairs)):
        assert 0 < len(said) <= SIZES.longest
        for place, word in enumerate(said):
            before = torch.tensor([said[:place]], dtype=torch.int64)
            if 0 not in said[:place]:
                assert model(pairs[row : row + 1], before)[0, -1].argmax() == word
            else:
                assert word == 0


def test_pairs_are_told_the_same_alone_and_together(model, pairs):
    ended = [said[: said.index(0)] if 0 in said else said for said in model.say(pairs)]
    for row, said in enumerate(ended):
        [alone] = model.say(pairs[row : row + 1])
        assert (alone[: alone.index(0)] if 0 in alone else alone) == said


@pytest.mark.parametrize("sizes", [{"width": 66}, {"width": 4096}, {"layers": 0}, {"prefix": 10**9}, {"heads": 2}])
def test_sizes_are_bounded(sizes):
    with pytest.raises(ValidationError):
        Sizes(**(SIZES.model_dump() | sizes))
