"""The losses over cosines against hand computation on two orthogonal speakers in a plane."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch.nn import functional

from avis.losses.aam_softmax import AamSoftmax
from avis.losses.am_softmax import AmSoftmax
from avis.losses.circle import Circle
from avis.losses.classifier import SpeakerClassifier
from avis.losses.inter_top_k import InterTopK
from avis.losses.margin import ScheduledMargin, widen_angle
from avis.losses.softmax import Softmax
from avis.losses.sphereface2 import SphereFace2

COMMON: dict[str, Any] = {"num_subcenters": 1, "sample_rate": 1.0, "balance": 0.0}
BINARY: dict[str, Any] = {"sample_rate": 1.0, "balance": 0.0}


def on_axes(criterion: SpeakerClassifier) -> SpeakerClassifier:
    """Speaker 0 lies along x, speaker 1 along y, ..., at other lengths than 1."""
    criterion.weight.data = torch.diag(torch.linspace(0.5, 3.0, len(criterion.weight)))
    return criterion.double()


def at_angle(theta: float) -> torch.Tensor:
    return torch.tensor([[7.0 * math.cos(theta), 7.0 * math.sin(theta)]], dtype=torch.float64)


def loss_of(criterion: SpeakerClassifier, theta: float) -> float:
    return on_axes(criterion)(at_angle(theta), torch.tensor([0]))[0].item()


def aam(*, scale: float, margin: float) -> AamSoftmax:
    return AamSoftmax(embedding_dim=2, num_speakers=2, scale=scale, margin=margin, **COMMON)


def test_aam_by_hand():
    """At 60 degrees from the target and 30 from the other: log(1 + exp(s (cos 30 - cos(60 + m))))."""
    expected = math.log1p(math.exp(4.0 * (math.cos(math.pi / 6) - math.cos(math.pi / 3 + 0.3))))
    assert loss_of(aam(scale=4.0, margin=0.3), math.pi / 3) == pytest.approx(expected, rel=1e-12)


def test_aam_beyond_pi_minus_margin_by_hand():
    """At 170 degrees with m = 0.5, theta + m passes pi: cos(theta) - m sin(m) takes over."""
    theta = math.radians(170)
    target = math.cos(theta) - 0.5 * math.sin(0.5)
    expected = math.log1p(math.exp(2.0 * (math.sin(theta) - target)))
    assert loss_of(aam(scale=2.0, margin=0.5), theta) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0, math.pi / 2])
def test_a_widened_angle_s_cosine_never_rises_with_the_angle(margin: float):
    cosines = torch.cos(torch.linspace(0, math.pi, 2001, dtype=torch.float64))
    moved = widen_angle(cosines, margin)
    assert (moved.diff() <= 1e-12).all()
    assert (moved <= cosines + 1e-12).all()


def test_am_by_hand():
    """At 60 degrees: the target's cosine is 0.5 - m, the other's cos 30."""
    expected = math.log1p(math.exp(4.0 * (math.sqrt(3) / 2 - 0.2)))
    criterion = AmSoftmax(embedding_dim=2, num_speakers=2, scale=4.0, margin=0.3, **COMMON)
    assert loss_of(criterion, math.pi / 3) == pytest.approx(expected, rel=1e-12)


def test_inter_top_k_by_hand():
    """Of three wrong speakers the two nearest come nearer by an angle, the third stays."""
    build = InterTopK(embedding_dim=4, num_speakers=4, scale=3.0, margin=0.2, num_nearest=2, penalty=0.1, **COMMON)
    vector = np.array([0.5, 0.4, -0.3, 0.2])
    cosines = vector / np.linalg.norm(vector)
    angles = np.arccos(cosines)
    logits = 3.0 * np.array([np.cos(angles[0] + 0.2), np.cos(angles[1] - 0.1), cosines[2], np.cos(angles[3] - 0.1)])
    loss, _ = on_axes(build)(torch.from_numpy(vector[None]), torch.tensor([0]))
    assert loss.item() == pytest.approx(logsumexp(logits) - logits[0], rel=1e-12)


def test_inter_top_k_without_penalty_or_with_few_speakers():
    embeddings, speakers = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])

    def value(kind: type, **values: float) -> float:
        torch.manual_seed(0)
        return kind(embedding_dim=3, num_speakers=3, scale=9.0, margin=0.2, **values, **COMMON)(embeddings, speakers)[
            0
        ].item()

    assert value(InterTopK, num_nearest=1, penalty=0.0) == pytest.approx(value(AamSoftmax), rel=1e-6)
    assert value(InterTopK, num_nearest=9, penalty=0.1) == value(InterTopK, num_nearest=2, penalty=0.1)


def adjust(cosine: float) -> float:
    return 2 * ((cosine + 1) / 2) ** 3 - 1


@pytest.mark.parametrize("margin_type", ["A", "C"])
def test_sphereface2_by_hand(margin_type: str):
    """0.7 log(1 + exp(-own)) + 0.3 log(1 + exp(other)) at 60 and 30 degrees."""
    criterion = SphereFace2(embedding_dim=2, num_speakers=2, scale=4.0, margin=0.2, margin_type=margin_type, **BINARY)
    bias = -0.7
    criterion.bias.data = torch.tensor(bias)
    if margin_type == "C":
        own, other = adjust(0.5) - 0.2, adjust(math.sqrt(3) / 2) + 0.2
    else:
        own, other = adjust(math.cos(math.pi / 3 + 0.2)), adjust(math.cos(math.pi / 6 - 0.2))
    expected = 0.7 * math.log1p(math.exp(-4.0 * own - bias)) + 0.3 * math.log1p(math.exp(4.0 * other + bias))
    assert loss_of(criterion, math.pi / 3) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("margin_type", ["A", "C"])
@pytest.mark.parametrize("num_speakers", [2, 10, 100_000])
def test_sphereface2_starts_in_balance(margin_type: str, num_speakers: int):
    """While all cosines are 0, nothing pulls at the bias."""
    criterion = SphereFace2(
        embedding_dim=2, num_speakers=num_speakers, scale=32.0, margin=0.2, margin_type=margin_type, **BINARY
    ).double()
    losses = criterion.losses(torch.zeros(1, num_speakers, dtype=torch.float64), torch.tensor([1]))
    losses.mean().backward()
    assert criterion.bias.grad.item() == pytest.approx(0, abs=1e-6)


def test_circle_by_hand():
    """Own cosine 0.5: factor 1.35 - 0.5, offset 0.65. Other: factor 0.866 + 0.35, offset 0.35."""
    criterion = Circle(embedding_dim=2, num_speakers=2, scale=4.0, relaxation=0.35, **COMMON)
    other = math.sqrt(3) / 2
    own_logit, other_logit = 4.0 * 0.85 * (0.5 - 0.65), 4.0 * (other + 0.35) * (other - 0.35)
    assert loss_of(criterion, math.pi / 3) == pytest.approx(math.log1p(math.exp(other_logit - own_logit)), rel=1e-12)


def test_circle_s_gradient_is_the_paper_s():
    """Eq. 8's factors are constants to the gradient: d loss / d own = -Z gamma alpha, Z the softmax's remainder."""
    criterion = on_axes(Circle(embedding_dim=2, num_speakers=2, scale=4.0, relaxation=0.25, **COMMON))
    cosines = torch.tensor([[0.4, 0.6]], dtype=torch.float64, requires_grad=True)
    loss = criterion.losses(cosines, torch.tensor([0])).sum()
    loss.backward()
    remainder = -math.expm1(-loss.item())
    assert cosines.grad.tolist()[0] == pytest.approx([-remainder * 4 * 0.85, remainder * 4 * 0.85], rel=1e-12)


def test_softmax_is_cross_entropy_of_a_linear_layer():
    criterion = Softmax(embedding_dim=3, num_speakers=4, sample_rate=1.0, balance=0.0)
    criterion.bias.data = torch.randn(4)
    embeddings, speakers = torch.randn(5, 3), torch.tensor([0, 3, 1, 2, 2])
    logits = embeddings @ criterion.weight.T + criterion.bias
    loss, correct = criterion(embeddings, speakers)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, speakers))
    assert correct.tolist() == (logits.argmax(dim=1) == speakers).tolist()


def test_descent_separates_two_speakers():
    criterion = on_axes(aam(scale=10.0, margin=0.2))
    embeddings = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64, requires_grad=True)
    for _ in range(200):
        loss, correct = criterion(embeddings, torch.tensor([0, 1]))
        (gradient,) = torch.autograd.grad(loss, embeddings)
        embeddings = (embeddings - 0.5 * gradient).detach().requires_grad_()
    assert functional.cosine_similarity(embeddings[:1], embeddings[1:]).item() < 0.1
    assert correct.all()


@pytest.mark.parametrize("margin", [-0.1, 2.0, math.nan])
def test_margin_out_of_range_is_refused(margin: float):
    with pytest.raises(ValueError, match="got margin="):
        ScheduledMargin(margin, at_most=1.0)


def test_other_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="got relaxation=0"):
        Circle(embedding_dim=2, num_speakers=2, scale=4.0, relaxation=0.0, **COMMON)
    with pytest.raises(ValueError, match="got num_nearest=0"):
        InterTopK(embedding_dim=2, num_speakers=2, scale=1.0, margin=0.2, num_nearest=0, penalty=0.1, **COMMON)
    with pytest.raises(ValueError, match=r"got penalty=2\.0, .* At loss\.penalty"):
        InterTopK(embedding_dim=2, num_speakers=2, scale=1.0, margin=0.2, num_nearest=1, penalty=2.0, **COMMON)
