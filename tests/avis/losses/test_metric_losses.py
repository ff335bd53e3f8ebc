"""Losses between the utterances of a batch against loops over the papers' formulas."""

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from avis.losses.ge2e import Ge2e
from avis.losses.margin import set_margins
from avis.losses.prototypical import AngularPrototypical, Prototypical
from avis.losses.sup_con import SupCon
from avis.losses.triplet import Triplet

P, K, DIM = 4, 3, 5
ALL: dict[str, Callable[[], nn.Module]] = {
    "ge2e": lambda: Ge2e(utterances_per_speaker=K),
    "prototypical": lambda: Prototypical(utterances_per_speaker=K),
    "angular_prototypical": lambda: AngularPrototypical(utterances_per_speaker=K),
    "triplet": lambda: Triplet(margin=0.3),
    "sup_con": lambda: SupCon(temperature=0.1),
}
NAMES = sorted(ALL)


def some(spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(P, 1, DIM)) + spread * rng.normal(size=(P, K, DIM))
    return torch.from_numpy(voices.reshape(P * K, DIM)), torch.tensor([9, 2, 5, 7]).repeat_interleave(K)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def ge2e(e: np.ndarray) -> float:
    unit = e / np.linalg.norm(e, axis=2, keepdims=True)
    losses = []
    for j in range(P):
        for i in range(K):
            logits = []
            for k in range(P):
                kept = [m for m in range(K) if (k, m) != (j, i)]
                logits.append(10 * cosine(unit[j, i], unit[k, kept].mean(axis=0)))
            losses.append(logsumexp(logits) - logits[j])
    return float(np.mean(losses))


def prototypical(e: np.ndarray, *, angular: bool) -> float:
    losses = []
    for j in range(P):
        prototypes = [e[k, 1:].mean(axis=0) for k in range(P)]
        logits = [10 * cosine(e[j, 0], p) if angular else -float(((e[j, 0] - p) ** 2).sum()) for p in prototypes]
        losses.append(logsumexp(logits) - logits[j])
    return float(np.mean(losses))


def triplet(e: np.ndarray, labels: list[int]) -> float:
    flat = e.reshape(-1, DIM)
    losses = []
    for a, own in enumerate(labels):
        distance = [2 - 2 * cosine(flat[a], other) for other in flat]
        far = max(d for i, d in enumerate(distance) if labels[i] == own and i != a)
        near = min(d for i, d in enumerate(distance) if labels[i] != own)
        losses.append(max(0.0, far - near + 0.3))
    return float(np.mean(losses))


def sup_con(e: np.ndarray, labels: list[int]) -> float:
    flat = e.reshape(-1, DIM)
    losses = []
    for a, own in enumerate(labels):
        logits = {i: cosine(flat[a], flat[i]) / 0.1 for i in range(len(flat)) if i != a}
        positive = [i for i in logits if labels[i] == own]
        losses.append(-np.mean([logits[i] - logsumexp(list(logits.values())) for i in positive]))
    return float(np.mean(losses))


@pytest.mark.parametrize("spread", [0.3, 2.0])
@pytest.mark.parametrize("name", NAMES)
def test_loss_is_the_paper_s(name: str, spread: float):
    embeddings, speakers = some(spread)
    e, labels = embeddings.numpy().reshape(P, K, DIM), speakers.tolist()
    expected = {
        "ge2e": lambda: ge2e(e),
        "prototypical": lambda: prototypical(e, angular=False),
        "angular_prototypical": lambda: prototypical(e, angular=True),
        "triplet": lambda: triplet(e, labels),
        "sup_con": lambda: sup_con(e, labels),
    }[name]()
    assert ALL[name]()(embeddings, speakers)[0].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name: str):
    criterion, (embeddings, speakers) = ALL[name]().double(), some()
    names = [key for key, _ in criterion.named_parameters()]
    values = [value.detach().requires_grad_() for value in criterion.parameters()]

    def loss(embeddings: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(criterion, given, (embeddings, speakers))[0]

    assert torch.autograd.gradcheck(loss, (embeddings.requires_grad_(), *values))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_where_utterances_coincide(name: str):
    embeddings = torch.ones(P * K, DIM, requires_grad=True)
    loss, _ = ALL[name]()(embeddings, some()[1])
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad.isfinite().all()


@pytest.mark.parametrize(("name", "expected"), [("ge2e", math.log(P)), ("triplet", 0.3), ("sup_con", math.log(11))])
def test_alike_embeddings_are_chance(name: str, expected: float):
    assert ALL[name]()(torch.ones(P * K, DIM), some()[1])[0].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_speakers_far_apart_are_told_apart(name: str):
    embeddings = 9.0 * torch.eye(P).repeat_interleave(K, dim=0)
    loss, correct = ALL[name]()(embeddings, some()[1])
    least = math.log(K - 1) if name == "sup_con" else 0.0  # each positive competes with the others
    assert loss.item() == pytest.approx(least, abs=0.01)
    assert correct.all()
    assert correct.dtype == torch.bool


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_speakers_does_not_matter(name: str):
    embeddings, speakers = some()
    order = torch.arange(P * K).view(P, K)[[2, 0, 3, 1]].flatten()
    expected = ALL[name]()(embeddings, speakers)[0]
    torch.testing.assert_close(ALL[name]()(embeddings[order], speakers[order])[0], expected)


@pytest.mark.parametrize("name", ["ge2e", "angular_prototypical", "prototypical"])
def test_two_groups_of_one_speaker_do_not_repel(name: str):
    """A group's loss is what it would be without the speaker's other group."""
    embeddings, speakers = some()
    twin = speakers.clone()
    twin[-K:] = speakers[0]
    group = slice(0, K)
    kept = slice(0, (P - 1) * K)
    alone = embeddings.clone().requires_grad_()
    ALL[name]()(alone[kept], twin[kept])[0].backward()
    _, correct = ALL[name]()(embeddings, twin)
    both = embeddings.clone().requires_grad_()
    ALL[name]()(both, twin)[0].backward()
    assert len(correct) in (P, P * K)
    assert alone.grad[group].isfinite().all()
    assert both.grad.isfinite().all()
    own = torch.stack([embeddings[:K], embeddings[-K:]]).flatten(0, 1)
    assert ALL[name]()(own, twin[:1].expand(2 * K))[0].item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_computes_in_float32(name: str):
    embeddings, speakers = some()
    embeddings = embeddings.bfloat16()
    expected, _ = ALL[name]()(embeddings.float(), speakers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = ALL[name]()(embeddings, speakers)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_no_schedule_of_a_margin_acts_and_it_pickles(name: str):
    criterion, (embeddings, speakers) = ALL[name](), some()
    before = criterion(embeddings, speakers)[0]
    set_margins(criterion, 0.0)
    copy = pickle.loads(pickle.dumps(criterion))
    torch.testing.assert_close(copy(embeddings, speakers)[0], before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["ge2e", "prototypical", "angular_prototypical"])
@pytest.mark.parametrize("speakers", [[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1]])
def test_a_batch_without_groups_is_refused(name: str, speakers: list[int]):
    with pytest.raises(ValueError, match=r"groups of one speaker: .* At trainer\.utterances_per_speaker"):
        ALL[name]()(torch.randn(len(speakers), DIM), torch.tensor(speakers))


def test_single_utterances_and_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="utterances_per_speaker=1"):
        Ge2e(utterances_per_speaker=1)(torch.randn(2, DIM), torch.arange(2))
    for speakers in ([0, 0, 1], [0, 0, 0]):
        for name in ("triplet", "sup_con"):
            with pytest.raises(ValueError, match=r"lacks pairs: got 3 utterances"):
                ALL[name]()(torch.randn(3, DIM), torch.tensor(speakers))
    with pytest.raises(ValueError, match="got margin=0"):
        Triplet(margin=0.0)
    with pytest.raises(ValueError, match="got temperature=0"):
        SupCon(temperature=0.0)
