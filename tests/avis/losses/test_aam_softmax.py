"""ArcFace loss against hand computation, `cross_entropy`, finite differences and its monotonicity."""

import math
import pickle

import pytest
import torch
from torch.nn import functional

from avis.losses.aam_softmax import AamSoftmax


def build(**changes: float) -> AamSoftmax:
    torch.manual_seed(0)
    sizes = {"embedding_dim": 6, "num_speakers": 5, "scale": 30.0, "margin": 0.2, "num_subcenters": 1}
    return AamSoftmax(**{**sizes, **changes})


def two_classes(*, scale: float, margin: float) -> AamSoftmax:
    """Speaker 0 lies along x, speaker 1 along y, at other lengths than 1."""
    criterion = build(embedding_dim=2, num_speakers=2, scale=scale, margin=margin).double()
    criterion.weight.data = torch.tensor([[3.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    return criterion


def at_angle(theta: float) -> torch.Tensor:
    return torch.tensor([[7.0 * math.cos(theta), 7.0 * math.sin(theta)]], dtype=torch.float64)


def test_two_classes_by_hand():
    """At 60 degrees from the target and 30 from the other: log(1 + exp(s (cos 30 - cos(60 + m))))."""
    loss, logits = two_classes(scale=4.0, margin=0.3)(at_angle(math.pi / 3), torch.tensor([0]))
    expected = math.log1p(math.exp(4.0 * (math.cos(math.pi / 6) - math.cos(math.pi / 3 + 0.3))))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert logits.tolist()[0] == pytest.approx([4.0 * 0.5, 4.0 * math.sqrt(3) / 2])


def test_loss_is_the_mean_over_the_batch():
    criterion = build()
    embeddings, speakers = torch.randn(3, 6), torch.tensor([4, 0, 0])
    singles = [criterion(embeddings[i : i + 1], speakers[i : i + 1])[0] for i in range(3)]
    torch.testing.assert_close(criterion(embeddings, speakers)[0], torch.stack(singles).mean())


def test_beyond_pi_minus_margin_by_hand():
    """At 170 degrees with m = 0.5, theta + m passes pi: cos(theta) - m sin(m) takes over."""
    theta = math.radians(170)
    loss, _ = two_classes(scale=2.0, margin=0.5)(at_angle(theta), torch.tensor([0]))
    target = math.cos(theta) - 0.5 * math.sin(0.5)
    assert loss.item() == pytest.approx(math.log1p(math.exp(2.0 * (math.sin(theta) - target))), rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0, math.pi / 2])
def test_target_logit_never_rises_with_the_angle(margin: float):
    criterion = two_classes(scale=1.0, margin=margin)
    cosines = torch.cos(torch.linspace(0, math.pi, 2001, dtype=torch.float64))
    moved = criterion._add_margin(cosines)
    assert (moved.diff() <= 1e-12).all()
    assert (moved <= cosines + 1e-12).all()


def test_without_margin_it_is_softmax_cross_entropy_of_cosines():
    criterion = build(margin=0.0)
    embeddings, speakers = torch.randn(16, 6), torch.randint(5, (16,))
    cosines = torch.stack([functional.cosine_similarity(embeddings, w.unsqueeze(0)) for w in criterion.weight], dim=1)
    loss, logits = criterion(embeddings, speakers)
    torch.testing.assert_close(logits, 30.0 * cosines)
    torch.testing.assert_close(loss, functional.cross_entropy(30.0 * cosines, speakers))


def test_margin_can_be_changed_while_training():
    criterion = build(margin=0.0)
    embeddings, speakers = torch.randn(16, 6), torch.randint(5, (16,))
    losses, logits = [], []
    for margin in (0.0, 0.1, 0.3):
        criterion.margin = margin
        loss, out = criterion(embeddings, speakers)
        losses.append(loss.item())
        logits.append(out)
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]
    torch.testing.assert_close(logits[0], logits[-1], msg="the margin must not reach the logits for accuracy")
    torch.testing.assert_close(torch.tensor(losses[-1]), build(margin=0.3)(embeddings, speakers)[0])


def test_lengths_do_not_matter():
    criterion = build()
    embeddings, speakers = torch.randn(4, 6), torch.arange(4)
    before = criterion(embeddings, speakers)[0]
    criterion.weight.data *= torch.rand(5, 1) + 0.5
    torch.testing.assert_close(criterion(embeddings * torch.tensor([[0.1], [1], [10], [1e3]]), speakers)[0], before)


@pytest.mark.parametrize("num_subcenters", [1, 3])
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.9])
def test_gradients_match_finite_differences(num_subcenters: int, margin: float):
    criterion = build(num_subcenters=num_subcenters, margin=margin, scale=5.0).double()
    speakers = torch.arange(5)
    embeddings = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)

    def loss(embeddings: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(criterion, {"weight": weight}, (embeddings, speakers))[0]

    weight = criterion.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(loss, (embeddings, weight))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_on_and_opposite_the_centre(sign: float):
    criterion = build()
    embeddings = (sign * criterion.weight.detach().clone()).requires_grad_()
    loss, _ = criterion(embeddings, torch.arange(5))
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad.isfinite().all()
    assert criterion.weight.grad.isfinite().all()
    assert embeddings.grad.abs().max() < 1e3


def test_the_nearest_subcentre_counts():
    criterion = build(embedding_dim=2, num_speakers=2, num_subcenters=2, scale=1.0, margin=0.0).double()
    criterion.weight.data = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    _, logits = criterion(torch.tensor([[-2.0, 0.0], [0.6, 0.8]], dtype=torch.float64), torch.tensor([0, 1]))
    assert logits.tolist() == [pytest.approx([1.0, 0.0]), pytest.approx([0.6, 1.0])]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_float32(dtype: torch.dtype):
    criterion = build()
    embeddings, speakers = torch.randn(8, 6).to(dtype), torch.randint(5, (8,))
    expected, expected_logits = criterion(embeddings.float(), speakers)
    with torch.autocast("cpu", dtype=dtype):
        loss, logits = criterion(embeddings, speakers)
    assert loss.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=0)


def test_descent_separates_two_speakers():
    criterion = two_classes(scale=10.0, margin=0.2)
    embeddings = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64, requires_grad=True)
    for _ in range(200):
        loss, logits = criterion(embeddings, torch.tensor([0, 1]))
        (gradient,) = torch.autograd.grad(loss, embeddings)
        embeddings = (embeddings - 0.5 * gradient).detach().requires_grad_()
    assert functional.cosine_similarity(embeddings[:1], embeddings[1:]).item() < 0.1
    assert logits.argmax(dim=1).tolist() == [0, 1]


@pytest.mark.parametrize("speaker", [-1, 5])
def test_speaker_out_of_range_is_refused(speaker: int):
    with pytest.raises(ValueError, match=r"got speakers=.* expected 0 \.\.\. 4"):
        build()(torch.randn(2, 6), torch.tensor([0, speaker]))


@pytest.mark.parametrize("margin", [-0.1, 2.0, math.nan])
def test_margin_out_of_range_is_refused(margin: float):
    criterion = build()
    with pytest.raises(ValueError, match="got margin="):
        criterion.margin = margin


def test_pickles_with_its_margin():
    criterion = build()
    criterion.margin = 0.35
    copy = pickle.loads(pickle.dumps(criterion))
    assert copy.margin == 0.35
    torch.testing.assert_close(copy.weight, criterion.weight)
