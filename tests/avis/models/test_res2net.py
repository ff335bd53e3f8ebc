"""Res2Net and ERes2Net: blocks against the papers' equations, and which stages are fused with which."""

import pytest
import torch

from avis.models.eres2net import AttentionalFusion, ERes2Net
from avis.models.res2net import Res2Bottleneck, Res2Net

SIZES = {"num_mels": 24, "channels": 4, "depths": [1, 1, 1, 1], "base_width": 32, "scale": 2, "embedding_dim": 6}


def count_block_by_hand(before: int, c: int, *, base_width: int, scale: int, convolved: int, fused: bool) -> int:
    width, after = c * base_width // 64, 2 * c
    groups = convolved * (9 * width * width + 2 * width)
    hidden = width // 4
    fusion = (2 * width * hidden + hidden) + 2 * hidden + (hidden * width + width) + 2 * width
    total = before * scale * width + 2 * scale * width + groups + scale * width * after + 2 * after
    return total + (convolved - 1) * fusion * fused


@pytest.mark.parametrize(
    ("scale", "convolve_last", "fused"), [(2, False, False), (4, False, False), (2, True, True), (4, True, True)]
)
def test_parameter_count_of_a_block(scale: int, convolve_last: bool, fused: bool):
    fusion = AttentionalFusion if fused else None
    options = {"base_width": 26, "scale": scale, "convolve_last": convolve_last, "fusion": fusion}
    block = Res2Bottleneck(64, 32, stride=(1, 1), **options)
    convolved = scale if convolve_last else scale - 1
    expected = count_block_by_hand(64, 32, base_width=26, scale=scale, convolved=convolved, fused=fused)
    assert sum(p.numel() for p in block.parameters()) == expected


def test_res2net_convolves_every_group_but_the_last_after_adding_the_one_before():
    torch.manual_seed(0)
    block = Res2Bottleneck(16, 8, stride=(1, 1), base_width=64, scale=4).eval()
    x = torch.randn(2, 16, 6, 5)
    a, b, c, d = block.before(x).clamp(0, 20).split(8, dim=1)
    first = block.groups[0](a).clamp(0, 20)
    second = block.groups[1](first + b).clamp(0, 20)
    third = block.groups[2](second + c).clamp(0, 20)
    expected = block.after(torch.cat([first, second, third, d], dim=1)) + x
    torch.testing.assert_close(block(x), expected.clamp(0, 20))


def test_eres2net_convolves_all_groups_and_fuses_each_with_the_one_before():
    torch.manual_seed(0)
    options = {"base_width": 64, "scale": 3, "convolve_last": True, "fusion": AttentionalFusion}
    block = Res2Bottleneck(16, 8, stride=(1, 1), **options).eval()
    x = torch.randn(2, 16, 6, 5)
    a, b, c = block.before(x).clamp(0, 20).split(8, dim=1)
    first = block.groups[0](a).clamp(0, 20)
    second = block.groups[1](block.fusions[0](first, b)).clamp(0, 20)
    third = block.groups[2](block.fusions[1](second, c)).clamp(0, 20)
    torch.testing.assert_close(block(x), (block.after(torch.cat([first, second, third], dim=1)) + x).clamp(0, 20))


def test_fusion_is_the_papers_weighted_sum():
    """U = tanh(BN(W2 SiLU(BN(W1 [x, y])))), and (1 + U) x + (1 - U) y; equal weights for U = 0."""
    fusion = AttentionalFusion(8).eval()
    x, y = torch.randn(2, 8, 3, 4), torch.randn(2, 8, 3, 4)
    w1, n1, _, w2, n2, _ = fusion.attention
    hidden = torch.nn.functional.silu(n1(w1(torch.cat([x, y], dim=1))))
    gates = torch.tanh(n2(w2(hidden)))
    torch.testing.assert_close(fusion(x, y), (1 + gates) * x + (1 - gates) * y)
    torch.nn.init.zeros_(n2.weight)
    torch.testing.assert_close(fusion(x, y), x + y)


@pytest.mark.parametrize(("num_fused_stages", "expected"), [(4, [16, 32, 64]), (2, [64])])
def test_stages_are_fused_from_the_bottom_up(num_fused_stages: int, expected: list[int]):
    model = ERes2Net(**SIZES, num_fused_stages=num_fused_stages).eval()
    assert [halving.out_channels for halving in model.halvings] == expected
    outputs = []
    for stage in model.trunk.stages:
        stage.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    pooled = model.pooled_frames(torch.randn(2, 41, 24))[0]
    fused = outputs[4 - num_fused_stages]
    for output, halving, fusion in zip(outputs[5 - num_fused_stages :], model.halvings, model.fusions, strict=True):
        fused = fusion(output, halving(fused))
    torch.testing.assert_close(pooled, fused.flatten(1, 2))
    assert pooled.shape == (2, 64 * 3, 6)


def test_blocks_of_the_last_two_stages_fuse_by_attention():
    model = ERes2Net(**SIZES, num_fused_stages=4)
    by_attention = [isinstance(stage[0].fusions[0], AttentionalFusion) for stage in model.trunk.stages]
    assert by_attention == [False, False, True, True]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"scale": 1}, "got scale=1"), ({"base_width": 1}, "groups of 0 channels"), ({"depths": [1, 1]}, "got depths=")],
)
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Res2Net(**{**SIZES, **wrong})


@pytest.mark.parametrize("num_fused_stages", [1, 5])
def test_fewer_or_more_stages_than_there_are_cannot_be_fused(num_fused_stages: int):
    with pytest.raises(ValueError, match="got num_fused_stages="):
        ERes2Net(**SIZES, num_fused_stages=num_fused_stages)
