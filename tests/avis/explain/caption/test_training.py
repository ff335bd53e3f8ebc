"""A captioner learns what it is taught, the same whoever else draws, and tells pairs apart by either side."""

import itertools

import pytest
import torch


def weights_after(lesson, num_steps):
    made = lesson(seed=3)
    losses = [*itertools.islice(made.steps(), num_steps)]
    return losses, made.captioner.model.state_dict()


@pytest.mark.slow
def test_what_was_taught_is_said(taught, made_up):
    pairs, texts = made_up
    assert taught.say(pairs) == texts


def test_another_enrolment_changes_what_is_said_of_it_alone(taught, made_up):
    pairs, _ = made_up
    changed = pairs.copy()
    changed[:, 0, 1] *= -1.0  # the enrolment's pitch
    for text, other in zip(taught.say(pairs), taught.say(changed), strict=True):
        turned = text.replace("lower third in the enrolment", "x").replace("upper third in the enrolment", "y")
        assert other == turned.replace("x", "upper third in the enrolment").replace("y", "lower third in the enrolment")


def test_the_same_seed_gives_the_same_captioner_and_leaves_other_draws_alone(lesson):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    losses, weights = weights_after(lesson, 5)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(2)
    again, same = weights_after(lesson, 5)
    assert losses == again
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(lesson(seed=4).captioner.model.phrases.weight, lesson(seed=3).captioner.model.phrases.weight)


def test_nothing_is_learnt_behind_the_end(lesson):
    made = lesson(seed=0)
    chosen = torch.arange(4)
    loss = made._loss(made.captioner.model, chosen)
    logits = made.captioner.model(made.pairs[chosen], made.phrases[chosen][:, :-1].clamp(min=0)).log_softmax(-1)
    own = [
        -logits[row, place, word]
        for row in range(4)
        for place, word in enumerate(made.phrases[chosen][row].tolist())
        if word >= 0
    ]
    torch.testing.assert_close(loss, torch.stack(own).mean())
