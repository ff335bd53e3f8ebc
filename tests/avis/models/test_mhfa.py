"""Multi-head factorised attentive pooling, restated head by head."""

import pytest
import torch
from torch.nn import functional

from avis.models.mhfa import FactorisedPooling, Mhfa

LAYERS, WIDTH, HEADS, CHANNELS = 3, 6, 2, 4


@pytest.fixture
def model() -> Mhfa:
    torch.manual_seed(0)
    built = Mhfa(num_mels=LAYERS * WIDTH, num_layers=LAYERS, num_heads=HEADS, channels=CHANNELS, embedding_dim=5)
    torch.nn.init.normal_(built.key_weights)
    torch.nn.init.normal_(built.value_weights)
    return built


def test_is_the_published_pooling(model: Mhfa):
    """Peng et al., 2022, section 3: weighted sums over layers, one softmax over frames per head."""
    features = torch.randn(2, 30, LAYERS * WIDTH)
    layers = features.reshape(2, 30, LAYERS, WIDTH)
    keys, values = (
        functional.linear(sum(w * layers[:, :, i] for i, w in enumerate(weights.exp() / weights.exp().sum())), *linear)
        for weights, linear in (
            (model.key_weights, (model.key.weight, model.key.bias)),
            (model.value_weights, (model.value.weight, model.value.bias)),
        )
    )
    means = []
    for head in range(HEADS):
        logits = keys @ model.heads.weight[head] + model.heads.bias[head]
        weights = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        means.append((weights.unsqueeze(2) * values).sum(dim=1))
    expected = functional.linear(torch.cat(means, dim=1), model.embedding.weight, model.embedding.bias)
    torch.testing.assert_close(model(features), expected, rtol=1e-5, atol=1e-6)


def test_each_head_weighs_what_a_frame_contributes():
    torch.manual_seed(0)
    pooling, x = FactorisedPooling(num_heads=HEADS, channels=CHANNELS).double(), torch.randn(2, HEADS + CHANNELS, 20)
    x, num_frames = x.double(), torch.tensor([20, 7])
    frames, rest = pooling.contributions(x, num_frames)
    for given, own, split, pooled in zip(x, num_frames, frames, pooling(x, num_frames), strict=True):
        for head, of_head in enumerate(split.view(HEADS, CHANNELS, 20)):
            weights = given[head, :own].exp() / given[head, :own].exp().sum()
            torch.testing.assert_close(of_head[:, :own], weights * given[HEADS:, :own])
        assert (split[:, own:] == 0).all()
        torch.testing.assert_close(split.sum(dim=1), pooled, rtol=1e-12, atol=1e-12)
    assert (rest == 0).all()


def test_begins_with_the_mean_of_the_layers():
    built = Mhfa(num_mels=LAYERS * WIDTH, num_layers=LAYERS, num_heads=HEADS, channels=CHANNELS, embedding_dim=5)
    features = torch.randn(2, 30, LAYERS, WIDTH)
    mean = features.mean(dim=2, keepdim=True).expand_as(features)
    torch.testing.assert_close(built(features.flatten(2)), built(mean.flatten(2)))


def test_number_of_weights():
    """Published beside WavLM Base+ as "94M + 2M": 13 layers of 768, 64 heads of 128."""
    with torch.device("meta"):
        built = Mhfa(num_mels=13 * 768, num_layers=13, num_heads=64, channels=128, embedding_dim=256)
    expected = 2 * 13 + 2 * (768 * 128 + 128) + (128 * 64 + 64) + (64 * 128 * 256 + 256)
    assert sum(weights.numel() for weights in built.parameters()) == expected == 2_302_554


def test_layers_of_different_width_are_refused():
    with pytest.raises(ValueError, match=r"got num_mels=80 with num_layers=13.* At model\.num_layers"):
        Mhfa(num_mels=80, num_layers=13, num_heads=2, channels=4, embedding_dim=5)
