"""ECAPA-TDNN: parameters against the published figures, wiring, and behaviour at the edges."""

import pickle

import pytest
import torch

from avis.models.ecapa_tdnn import EcapaTdnn

SMALL = {
    "num_mels": 20,
    "channels": 16,
    "embedding_dim": 8,
    "mfa_channels": 24,
    "attention_channels": 8,
    "se_channels": 8,
    "scale": 4,
    "stride": 1,
}
PAPER = {"num_mels": 80, "embedding_dim": 192, "attention_channels": 128, "se_channels": 128, "scale": 8, "stride": 1}


@pytest.fixture
def model() -> EcapaTdnn:
    torch.manual_seed(0)
    return EcapaTdnn(**SMALL)


def count_parameters(model: EcapaTdnn) -> int:
    return sum(p.numel() for p in model.parameters())


def count_by_hand(channels: int, mfa_channels: int) -> int:
    """Add up weights + biases layer by layer, from Figure 2 of the paper; batch normalisation has 2 per channel."""
    c, m, width = channels, mfa_channels, channels // 8
    first = 80 * c * 5 + c + 2 * c
    conv_1x1 = c * c + c + 2 * c
    res2 = 7 * (width * width * 3 + width + 2 * width)
    gates = (c * 128 + 128) + (128 * c + c)
    aggregation = 3 * c * m + m
    attention = (3 * m * 128 + 128) + 2 * 128 + (128 * m + m)
    embedding = 2 * (2 * m) + (2 * m * 192 + 192) + 2 * 192
    return first + 3 * (conv_1x1 + res2 + conv_1x1 + gates) + aggregation + attention + embedding


@pytest.mark.parametrize(
    ("channels", "published_m"),
    [(512, 6.2), (512, 6.19), (1024, 14.7), (1024, 14.65)],
    ids=["paper-512", "wespeaker-512", "paper-1024", "wespeaker-1024"],
)
def test_parameter_count_is_the_published_one(channels: int, published_m: float):
    with torch.device("meta"):
        count = count_parameters(EcapaTdnn(channels=channels, mfa_channels=1536, **PAPER))
    assert count == count_by_hand(channels, 1536)
    assert count == pytest.approx(published_m * 1e6, rel=0.005)


def test_parameter_count_of_speechbrains_variant():
    """SpeechBrain's 20.77 M: normalised aggregation (2 x 3072), no normalised embedding (2 x 192)."""
    with torch.device("meta"):
        count = count_parameters(EcapaTdnn(channels=1024, mfa_channels=3072, **PAPER))
    assert count == count_by_hand(1024, 3072)
    assert round((count + 2 * 3072 - 2 * 192) / 1e6, 2) == 20.77
    assert count == pytest.approx(20.77e6, rel=0.005)


def test_every_block_receives_the_sum_of_all_earlier_outputs(model: EcapaTdnn):
    seen: dict[str, torch.Tensor] = {}

    def record(name: str):
        def hook(_module, inputs, output):
            seen[f"{name}.in"], seen[f"{name}.out"] = inputs[0], output

        return hook

    for name in ("first", "blocks.0", "blocks.1", "blocks.2", "aggregation"):
        model.get_submodule(name).register_forward_hook(record(name))
    model.eval()(torch.randn(2, 50, 20))
    outputs = [seen["first.out"], seen["blocks.0.out"], seen["blocks.1.out"], seen["blocks.2.out"]]
    for index in range(3):
        torch.testing.assert_close(seen[f"blocks.{index}.in"], torch.stack(outputs[: index + 1]).sum(dim=0))
    torch.testing.assert_close(seen["aggregation.in"], torch.cat(outputs[1:], dim=1))


def test_block_is_a_gated_branch_beside_a_skip(model: EcapaTdnn):
    block = model.eval().blocks[1]
    x = torch.randn(2, 16, 30)
    branch = block.convs(x)
    torch.testing.assert_close(block(x), x + branch * block.gates(branch))


def test_embeddings_are_an_affine_map_of_the_pooled_statistics(model: EcapaTdnn):
    """What the time attribution of a score rests on."""
    model.double().eval()
    for norm in (model.pooling_norm, model.embedding_norm):
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)

    def tail(pooled: torch.Tensor) -> torch.Tensor:
        return model.embedding_norm(model.embedding(model.pooling_norm(pooled)))

    a, b = torch.randn(2, 1, 48, dtype=torch.float64)
    torch.testing.assert_close(tail(0.3 * a + 0.7 * b), 0.3 * tail(a) + 0.7 * tail(b))
    features = torch.randn(1, 30, 20, dtype=torch.float64)
    torch.testing.assert_close(model(features), tail(model.pooling(model.frame_representations(features))))


@pytest.mark.parametrize("frames", [1, 2, 30, 200])
def test_one_utterance_of_any_length(model: EcapaTdnn, frames: int):
    with torch.inference_mode():
        embedding = model.eval()(torch.randn(1, frames, 20))
    assert embedding.shape == (1, model.embedding_dim) == (1, 8)
    assert embedding.isfinite().all()


def test_ten_minutes_embed_like_ten_seconds_of_the_same(model: EcapaTdnn):
    """60 repetitions differ from one only at the seams."""
    features = torch.randn(1, 1000, 20)
    with torch.inference_mode():
        short = model.eval()(features)
        long = model(features.repeat(1, 60, 1))
    assert torch.cosine_similarity(short, long).item() > 0.999


@pytest.mark.parametrize(("frames", "expected"), [(30, 15), (31, 16), (1, 1)])
def test_stride_two_halves_the_frames(frames: int, expected: int):
    model = EcapaTdnn(**{**SMALL, "stride": 2}).eval()
    features = torch.randn(2, frames, 20)
    assert model.frame_representations(features).shape == (2, 24, expected)
    assert model(features).shape == (2, 8)


def test_an_embedding_does_not_depend_on_its_batch(model: EcapaTdnn):
    features = torch.randn(4, 60, 20)
    with torch.inference_mode():
        together = model.eval()(features)
        alone = torch.cat([model(row.unsqueeze(0)) for row in features])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("features", [torch.zeros(4, 30, 20), 1e4 * torch.randn(4, 30, 20)], ids=["silent", "huge"])
def test_every_parameter_gets_a_finite_gradient(model: EcapaTdnn, features: torch.Tensor):
    (model(features) * torch.randn(4, 8)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_autocast_stays_close_to_float32(model: EcapaTdnn, dtype: torch.dtype, tolerance: float):
    features = torch.randn(8, 100, 20)
    model(features)
    model.eval()
    exact = model(features)
    with torch.autocast("cpu", dtype=dtype):
        rough = model(features)
    (rough.float() * torch.randn_like(exact)).sum().backward()
    assert ((rough.float() - exact).norm(dim=1) / exact.norm(dim=1)).max() < tolerance
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_pickles_with_its_weights(model: EcapaTdnn):
    features = torch.randn(2, 30, 20)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model.eval()))(features), model(features))


@pytest.mark.parametrize("shape", [(2, 30, 21), (2, 0, 20), (30, 20)])
def test_features_that_do_not_fit_are_refused(model: EcapaTdnn, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"got features\.shape=.*mels = 20"):
        model(torch.zeros(shape))


def test_channels_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match="got channels=18 with scale=4"):
        EcapaTdnn(**{**SMALL, "channels": 18})
