"""ECAPA-TDNN: sizes counted by hand, wiring, and what is affine."""

from functools import partial

import pytest
import torch

from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.pooling import AttentiveStatisticsPooling

SMALL = {
    "num_mels": 20,
    "channels": 16,
    "embedding_dim": 8,
    "mfa_channels": 24,
    "pooling": partial(AttentiveStatisticsPooling, attention_channels=8),
    "se_channels": 8,
    "scale": 4,
    "stride": 1,
}
POOLING = partial(AttentiveStatisticsPooling, attention_channels=128)
PAPER = {"num_mels": 80, "embedding_dim": 192, "pooling": POOLING, "se_channels": 128, "scale": 8, "stride": 1}


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


@pytest.mark.parametrize("channels", [512, 1024])
def test_parameter_count_of_the_papers_layers(channels: int):
    with torch.device("meta"):
        assert count_parameters(EcapaTdnn(channels=channels, mfa_channels=1536, **PAPER)) == count_by_hand(
            channels, 1536
        )


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
    torch.testing.assert_close(model(features), tail(model.pooling(model.pooled_frames(features)[0])))


@pytest.mark.parametrize(("frames", "expected"), [(30, 15), (31, 16), (1, 1)])
def test_stride_two_halves_the_frames(frames: int, expected: int):
    model = EcapaTdnn(**{**SMALL, "stride": 2}).eval()
    features = torch.randn(2, frames, 20)
    assert model.pooled_frames(features)[0].shape == (2, 24, expected)
    assert model(features).shape == (2, 8)


def test_channels_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match="got channels=18 with scale=4"):
        EcapaTdnn(**{**SMALL, "channels": 18})
