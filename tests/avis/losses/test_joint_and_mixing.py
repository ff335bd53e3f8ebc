"""Losses made of losses: sums, mixed speakers, and what their heads take."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from avis.losses.aam_softmax import AamSoftmax
from avis.losses.am_softmax import AmSoftmax
from avis.losses.class_mixing import ClassMixing
from avis.losses.classifier import weigh_speakers
from avis.losses.head_memory import head_bytes, say_head_memory
from avis.losses.joint import Joint
from avis.losses.margin import set_margins
from avis.losses.prototypical import AngularPrototypical
from avis.losses.softmax import Softmax

DIM, NUM_SPEAKERS = 4, 6
Head = Callable[..., Any]
PLAIN = {"sample_rate": 1.0, "balance": 0.0}
AAM: Head = partial(AamSoftmax, scale=10.0, margin=0.2, num_subcenters=1, **PLAIN)
AM: Head = partial(AmSoftmax, scale=10.0, margin=0.2, num_subcenters=1, **PLAIN)


def joint(classification: Any, *, weight: float = 0.5) -> Joint:
    torch.manual_seed(0)
    comparison = AngularPrototypical(utterances_per_speaker=2)
    return Joint(
        embedding_dim=DIM,
        num_speakers=NUM_SPEAKERS,
        classification=classification,
        comparison=comparison,
        comparison_weight=weight,
    )


def mixing(classification: Any, *, weight: float = 0.5) -> ClassMixing:
    torch.manual_seed(0)
    return ClassMixing(
        embedding_dim=DIM, num_speakers=NUM_SPEAKERS, classification=classification, mixed_weight=weight
    ).double()


def some() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, DIM, dtype=torch.float64, generator=generator), torch.tensor([3, 3, 0, 0, 5, 5, 1, 1])


def test_a_joint_loss_is_the_weighted_sum_and_recognises_by_classification():
    criterion, (embeddings, speakers) = joint(AAM).double(), some()
    loss, correct = criterion(embeddings, speakers)
    first, expected_correct = criterion.classification(embeddings, speakers)
    second, _ = AngularPrototypical(utterances_per_speaker=2)(embeddings, speakers)
    assert loss.item() == pytest.approx(first.item() + 0.5 * second.item(), rel=1e-12)
    assert correct.tolist() == expected_correct.tolist()
    assert sum(parameter.numel() for parameter in criterion.parameters()) == NUM_SPEAKERS * DIM + 1


def test_schedule_and_speaker_counts_reach_the_parts():
    criterion = joint(partial(AAM, balance=1.0))
    set_margins(criterion, 0.25)
    assert criterion.classification.margin.height == 0.05
    weigh_speakers(criterion, torch.arange(1, NUM_SPEAKERS + 1))
    assert criterion.classification.speaker_weights.tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6])


def test_mixed_speakers_by_hand():
    """Each utterance is mixed with one that is drawn; every two speakers who are mixed are a class of their own.

    With this seed 7 utterances are mixed, of 5 pairs of speakers, and one is drawn with its own speaker's.
    """
    criterion, (embeddings, speakers) = mixing(AM), some()
    torch.manual_seed(1)
    partner = torch.randperm(8).tolist()
    pairs = [tuple(sorted((int(speakers[i]), int(speakers[j])))) for i, j in enumerate(partner)]
    classes = sorted({pair for pair in pairs if pair[0] != pair[1]})
    unit = (embeddings / embeddings.norm(dim=1, keepdim=True)).numpy()
    weight = criterion.classification.weight.detach().numpy()
    weight = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    losses = []
    for i, (j, pair) in enumerate(zip(partner, pairs, strict=True)):
        if pair not in classes:
            continue
        mixed = unit[i] + unit[j]
        cosines = [
            mixed @ (weight[a] + weight[b]) / np.linalg.norm(mixed) / np.linalg.norm(weight[a] + weight[b])
            for a, b in classes
        ]
        cosines[classes.index(pair)] -= 0.2
        logits = 10.0 * np.array(cosines)
        losses.append(logsumexp(logits) - logits[classes.index(pair)])
    assert (len(losses), len(classes)) == (7, 5)
    plain, _ = criterion.classification(embeddings, speakers)
    torch.manual_seed(1)
    loss, correct = criterion(embeddings, speakers)
    assert loss.item() == pytest.approx(plain.item() + 0.5 * np.mean(losses), rel=1e-9)
    assert len(correct) == 8


def test_nothing_is_mixed_in_evaluation_or_within_one_speaker():
    criterion, (embeddings, speakers) = mixing(AM), some()
    plain = criterion.classification(embeddings[:2], speakers[:2])[0]
    assert criterion(embeddings[:2], speakers[:2])[0].item() == plain.item()
    plain = criterion.classification(embeddings, speakers)[0]
    assert criterion.eval()(embeddings, speakers)[0].item() == plain.item()


def test_mixing_has_the_gradient_of_finite_differences():
    criterion, (embeddings, speakers) = mixing(AAM), some()
    weight = criterion.classification.weight.detach().requires_grad_()

    def loss(embeddings: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return torch.func.functional_call(criterion, {"classification.weight": weight}, (embeddings, speakers))[0]

    assert torch.autograd.gradcheck(loss, (embeddings.requires_grad_(), weight))


@pytest.mark.parametrize("head", [partial(Softmax, **PLAIN), partial(AAM, num_subcenters=2)])
def test_speakers_without_one_direction_cannot_be_mixed(head: Head):
    with pytest.raises(ValueError, match=r"cannot be mixed: got .* At loss\.classification"):
        mixing(head)


def test_two_speakers_mix_to_one_alone():
    with pytest.raises(ValueError, match=r"got num_speakers=2, expected at least 3.* loss=aam_softmax"):
        ClassMixing(embedding_dim=DIM, num_speakers=2, classification=AAM, mixed_weight=1.0)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="got comparison_weight=-1"):
        joint(AAM, weight=-1.0)
    with pytest.raises(ValueError, match="got mixed_weight=-1"):
        mixing(AAM, weight=-1.0)


def test_memory_of_a_head_by_hand():
    """10 speakers x 3 directions x 4 values: 120 weights, 4 times for good; 2 x 120 and 4 x 7 x 30 in a step."""
    build = partial(AamSoftmax, embedding_dim=4, num_speakers=10, scale=1.0, margin=0.2, num_subcenters=3, balance=0.0)
    assert head_bytes(build(sample_rate=1.0), 7) == 4 * (480 + 240 + 840)
    assert head_bytes(build(sample_rate=0.5), 7) == 4 * (480 + 120 + 420)
    assert head_bytes(AngularPrototypical(utterances_per_speaker=2), 7) == 0


def test_the_memory_is_said_and_too_little_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with torch.device("meta"):
        criterion = Softmax(embedding_dim=256, num_speakers=1_000_000, **PLAIN)
    say_head_memory(AngularPrototypical(utterances_per_speaker=2), 128)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    say_head_memory(criterion, 128)
    assert capsys.readouterr().out == "loss: its head takes about 7.6 GiB per worker\n"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=4 * 2**30))
    say_head_memory(criterion, 128)
    said = capsys.readouterr().out
    assert "7.6 GiB of 4 GiB on the GPU per worker" in said
    assert "too much; lower loss.sample_rate" in said


def test_a_step_allocates_no_more_than_the_estimate():
    """What a step leaves and saves for its backward pass, counted on real tensors."""
    criterion = AamSoftmax(embedding_dim=16, num_speakers=5000, scale=30.0, margin=0.2, num_subcenters=1, **PLAIN)
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    optimizer = torch.optim.Adam(criterion.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = criterion(torch.randn(64, 16), torch.randint(5000, (64,)))
        saved = sum(seen.values())
    loss.backward()
    optimizer.step()
    states = sum(value.numel() * 4 for value in optimizer.state[criterion.weight].values())
    kept = states + 4 * criterion.weight.numel()
    estimate = head_bytes(criterion, 64)
    assert 0.5 * estimate < saved + kept < 1.1 * estimate
