"""CAM++: sizes counted by hand, the mask as the paper writes it, and what is connected to what."""

import pytest
import torch

from avis.models.campplus import CamPlusPlus, ContextAwareMasking, ConvolutionModule, DenseBlock


def count_by_hand() -> int:
    """Add up the published layers for 80 mels; batch normalisation has 2 per channel, but none after the embedding."""
    residual = 2 * (32 * 32 * 9 + 2 * 32)
    projection = 32 * 32 + 2 * 32
    head = (32 * 9 + 2 * 32) + 2 * (2 * residual + projection) + (32 * 32 * 9 + 2 * 32)
    total, channels = head + 32 * 10 * 128 * 5 + 2 * 128, 128
    for layers in (12, 24, 16):
        for _ in range(layers):
            bottleneck = 2 * channels + channels * 128 + 2 * 128
            masked = 128 * 32 * 3 + (128 * 64 + 64) + (64 * 32 + 32)
            total, channels = total + bottleneck + masked, channels + 32
        total, channels = total + 2 * channels + channels * channels // 2, channels // 2
    return total + 2 * channels + 2 * channels * 512


def test_parameter_count_of_the_published_layers():
    with torch.device("meta"):
        model = CamPlusPlus(num_mels=80, head_channels=32, channels=128, growth=32, embedding_dim=512)
    assert sum(p.numel() for p in model.parameters()) == count_by_hand()
    assert model.embedding.in_features == 2 * 512


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 250])
def test_mask_is_the_papers_frame_by_frame(frames: int):
    """Literally: e and s_t are means over the utterance and frame t's segment, m_t = sigmoid(W2 relu(W1 (e + s_t)))."""
    torch.manual_seed(0)
    layer = ContextAwareMasking(6, 4, dilation=2).double()
    x = torch.randn(2, 6, frames, dtype=torch.float64)
    w1, w2 = layer.squeeze.weight[:, :, 0], layer.excite.weight[:, :, 0]
    expected = layer.conv(x).clone()
    for t in range(frames):
        segment = x[:, :, t // 100 * 100 : t // 100 * 100 + 100]
        context = x.mean(dim=2) + segment.mean(dim=2)
        expected[:, :, t] *= torch.sigmoid((context @ w1.T + layer.squeeze.bias).relu() @ w2.T + layer.excite.bias)
    torch.testing.assert_close(layer(x), expected)


def test_every_layer_sees_all_outputs_before_it():
    block = DenseBlock(8, growth=2, num_layers=3, dilation=1).eval()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for layer in block.layers:
        layer.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0].clone(), output)))
    x = torch.randn(2, 8, 20)
    y = block(x)
    outputs = [x, *(output for _, output in seen)]
    for index, (given, _) in enumerate(seen):
        torch.testing.assert_close(given, torch.cat(outputs[: index + 1], dim=1))
    torch.testing.assert_close(y, block.transition(torch.cat(outputs, dim=1)))
    assert y.shape == (2, 7, 20)


@pytest.mark.parametrize(("mels", "rows"), [(80, 10), (81, 11), (24, 3)])
def test_head_keeps_frames_and_takes_mels_to_an_eighth(mels: int, rows: int):
    assert ConvolutionModule(2)(torch.randn(2, 31, mels)).shape == (2, 2 * rows, 31)


@pytest.mark.parametrize(("frames", "kept"), [(30, 15), (31, 16), (1, 1)])
def test_frames_are_halved(frames: int, kept: int):
    model = CamPlusPlus(num_mels=24, head_channels=2, channels=8, growth=2, embedding_dim=4).eval()
    assert model.pooled_frames(torch.randn(2, frames, 24))[0].shape == (2, model.embedding.in_features // 2, kept)


def test_trained_embeddings_are_centred_and_of_unit_variance():
    """What batch normalisation without scale and offset gives."""
    torch.manual_seed(0)
    model = CamPlusPlus(num_mels=24, head_channels=2, channels=8, growth=2, embedding_dim=4)
    embeddings = model(torch.randn(16, 60, 24))
    torch.testing.assert_close(embeddings.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(embeddings.var(dim=0, unbiased=False), torch.ones(4), rtol=0.05, atol=0)
