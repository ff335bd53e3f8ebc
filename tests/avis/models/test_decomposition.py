"""Embeddings split into what frames contribute: whether they add up, and whether each model says if they can."""

import pytest
import torch
from torch import nn

from avis.models.decomposition import decompose
from avis.models.pooled import PooledModel
from avis.models.pooling import MeanPooling, StatisticsPooling
from avis.models.xvector import XVector

SIZES = {"num_mels": 20, "channels": 8, "pooled_channels": 12, "embedding_dim": 6}


@pytest.mark.few(4)
def test_a_model_knows_whether_its_head_is_affine(narrow):
    model = narrow.trained().double()
    assert isinstance(model, PooledModel)
    a, b = torch.randn(2, 5, model.pooling.out_channels, dtype=torch.float64)
    head, offset = model.embedding_head, model.embedding_head(torch.zeros_like(a))
    additive = torch.allclose(head(a + b) - offset, (head(a) - offset) + (head(b) - offset), rtol=1e-9, atol=1e-9)
    assert model.affine_head == additive


@pytest.mark.few(24)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("frames", [1, 29, 200])
def test_frames_and_rest_add_up_to_the_embedding(narrow, dtype: torch.dtype, tolerance: float, frames: int):
    model, features = narrow.trained().to(dtype), narrow.noise(1, frames).to(dtype)
    split = decompose(model, features[0])
    if not model.affine_head:
        assert split is None
        return
    with torch.inference_mode():
        embedding, pooled = model(features)[0], model.pooled_frames(features)[0]
    assert split.of_frames.shape == (pooled.shape[2], 8)
    for whole in (split.embedding, split.of_frames.sum(dim=0) + split.rest):
        assert (whole - embedding).norm() <= tolerance * embedding.norm()


@pytest.mark.few(8)
def test_a_frame_has_what_the_heads_derivative_makes_of_its_contribution(narrow):
    model, features = narrow.trained().double(), narrow.noise(1, 60).double()
    split = decompose(model, features[0])
    if split is None:
        return
    with torch.no_grad():
        contributions, rest = model.pooling.contributions(*model.pooled_frames(features))
    matrix = torch.autograd.functional.jacobian(model.embedding_head, rest)[0, :, 0]
    torch.testing.assert_close(split.of_frames, contributions[0].T @ matrix.T, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(split.rest, model.embedding_head(rest)[0].detach(), rtol=1e-9, atol=1e-12)


def test_a_mean_of_frames_in_closed_form():
    """Of a linear layer on the mean: W x / frames each, and the layer's offset."""
    torch.manual_seed(0)
    model = XVector(**SIZES, pooling=MeanPooling, num_segment_layers=1).eval()
    features = torch.randn(30, 20)
    split = decompose(model, features)
    with torch.no_grad():
        frames = model.pooled_frames(features[None])[0][0]
        torch.testing.assert_close(split.of_frames, (model.embedding.weight @ frames).T / 30, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(split.rest, model.embedding.bias.detach())


def test_an_offset_many_times_as_large_does_not_round_frames_off():
    """Subtracting what the head makes of zero from what it makes of a share would lose half of the digits here."""
    torch.manual_seed(0)
    model = XVector(**SIZES, pooling=StatisticsPooling, num_segment_layers=1).eval()
    nn.init.constant_(model.embedding.bias, 100.0)
    features = torch.randn(2000, 20)
    rough, exact = decompose(model, features), decompose(model.double(), features.double())
    assert (rough.of_frames - exact.of_frames).norm() < 1e-3 * exact.of_frames.norm()
    assert (rough.of_frames.sum(dim=0) - exact.of_frames.sum(dim=0)).norm() < 1e-4


@pytest.mark.few(8)
def test_where_pooled_frames_lie(narrow):
    """What one loud frame of the features changes is, on average, where the pooled frames say they are."""
    model, features = narrow.trained().double(), narrow.noise(1, 120).double()
    per_frame, misses = features.shape[1] // 120, []
    with torch.inference_mode():
        before = model.pooled_frames(features)[0]
        first, stride = model.first_frame(features.shape[1]), model.frame_stride
        centres = first + (torch.arange(before.shape[2]) + 0.5) * stride
        for frame in range(40, 80):
            louder, own = features.clone(), slice(frame * per_frame, (frame + 1) * per_frame)
            louder[0, own] += torch.randn_like(louder[0, own])
            change = (model.pooled_frames(louder)[0] - before)[0].square().sum(dim=0)
            change = (change - change.median()).clamp(min=0)  # gates and attention change all frames
            misses.append((change @ centres.double() / change.sum()).item() / per_frame - (frame + 0.5))
    assert abs(sum(misses) / len(misses)) < 2.0, "frames"


@pytest.mark.parametrize(("reading", "frames", "first"), [("padded", 30, 0), ("wespeaker", 30, 7), ("wespeaker", 4, 1)])
def test_where_the_first_frame_lies_when_the_ends_are_left_out(reading: str, frames: int, first: int):
    model = XVector(**SIZES, pooling=StatisticsPooling, num_segment_layers=1, reading=reading).eval()
    split = decompose(model, torch.randn(frames, 20))
    assert (split.first_frame, split.frame_stride, len(split.of_frames)) == (first, 1, frames - 2 * first)


def test_other_models_are_not_split():
    assert decompose(nn.Flatten(), torch.randn(30, 20)) is None


def test_a_model_in_training_is_refused():
    model = XVector(**SIZES, pooling=StatisticsPooling, num_segment_layers=1)
    with pytest.raises(AssertionError, match="call eval"):
        decompose(model, torch.randn(30, 20))
