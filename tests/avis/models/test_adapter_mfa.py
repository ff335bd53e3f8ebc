"""Layer adapters and their aggregation, restated with what they are published with."""

import pytest
import torch
from torch.nn import functional

from avis.models.adapter_mfa import AdapterMfa

LAYERS, WIDTH, CHANNELS = 3, 6, 4


@pytest.fixture
def model() -> AdapterMfa:
    torch.manual_seed(0)
    built = AdapterMfa(num_mels=LAYERS * WIDTH, num_layers=LAYERS, adapter_channels=CHANNELS, embedding_dim=5)
    built(torch.randn(8, 20, LAYERS * WIDTH))
    return built.eval()


def published(model: AdapterMfa, features: torch.Tensor) -> torch.Tensor:
    """Return the embeddings by wespeaker's W2VBert_Adapter_MFA, whose ASP has ReLU, then batch norm."""
    adapted = []
    for adapter, layer in zip(model.adapters, features.split(WIDTH, dim=2), strict=True):
        hidden = functional.linear(layer, adapter[0].weight, adapter[0].bias)
        hidden = functional.layer_norm(hidden, (CHANNELS,), adapter[1].weight, adapter[1].bias).relu()
        adapted.append(functional.linear(hidden, adapter[3].weight, adapter[3].bias))
    x, pooling = torch.cat(adapted, dim=2).transpose(1, 2), model.pooling
    hidden = functional.conv1d(x, pooling.frame.weight, pooling.frame.bias).relu()
    norm = pooling.norm
    hidden = functional.batch_norm(hidden, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    weights = functional.conv1d(hidden, pooling.attention.weight, pooling.attention.bias).softmax(dim=2)
    mean = (x * weights).sum(dim=2)
    deviation = ((x**2 * weights).sum(dim=2) - mean**2).clamp(min=1e-5).sqrt()
    return functional.linear(torch.cat([mean, deviation], dim=1), model.embedding.weight, model.embedding.bias)


def test_is_the_published_model(model: AdapterMfa):
    features = torch.randn(2, 30, LAYERS * WIDTH)
    with torch.inference_mode():
        torch.testing.assert_close(model(features), published(model, features), rtol=1e-4, atol=1e-5)


def test_number_of_weights():
    """Published, 6.2 M: 25 adapters, the attention, its batch normalisation and the embedding's layer."""
    with torch.device("meta"):
        built = AdapterMfa(num_mels=25 * 1024, num_layers=25, adapter_channels=128, embedding_dim=256)
    adapter = (1024 * 128 + 128) + 2 * 128 + (128 * 128 + 128)
    pooled = 25 * 128
    pooling = (pooled * 128 + 128) + 2 * 128 + (128 * pooled + pooled)
    expected = 25 * adapter + pooling + (2 * pooled * 256 + 256)
    assert sum(weights.numel() for weights in built.parameters()) == expected == 6_160_640


def test_layers_of_different_width_are_refused():
    with pytest.raises(ValueError, match=r"got num_mels=80 with num_layers=25.* At model\.num_layers"):
        AdapterMfa(num_mels=80, num_layers=25, adapter_channels=4, embedding_dim=5)
