"""Conformer blocks: against torchaudio's with the same weights, and the attention against its formula."""

import pytest
import torch
from torchaudio.models import Conformer

from avis.models.conformer import ConformerBlock, ConvolutionModule, PositionedAttention, sinusoids


def ours(channels: int, num_heads: int) -> ConformerBlock:
    torch.manual_seed(0)
    return ConformerBlock(channels, num_heads=num_heads, hidden_channels=32, kernel_size=5, dropout=0.1)


def positions_of(frames: int, channels: int) -> torch.Tensor:
    return sinusoids(frames, channels, device=torch.device("cpu"))


def test_without_positions_the_same_as_torchaudios():
    """torchaudio's attention knows no positions: without ours, and with the weights copied, outputs agree."""
    block = ours(16, num_heads=4)
    theirs = Conformer(16, num_heads=4, ffn_dim=32, num_layers=1, depthwise_conv_kernel_size=5)
    layer = theirs.conformer_layers[0]
    with torch.no_grad():
        for parameter in (block.attention.position.weight, block.attention.content_bias):
            parameter.zero_()
    layer.ffn1.sequential.load_state_dict(block.feed_in.layers.state_dict())
    layer.ffn2.sequential.load_state_dict(block.feed_out.layers.state_dict())
    layer.final_layer_norm.load_state_dict(block.norm.state_dict())
    layer.conv_module.layer_norm.load_state_dict(block.convolution.norm.state_dict())
    layer.conv_module.sequential.load_state_dict(block.convolution.layers.state_dict())
    layer.self_attn_layer_norm.load_state_dict(block.attention.norm.state_dict())
    layer.self_attn.in_proj_weight.data = block.attention.query_key_value.weight.data
    layer.self_attn.in_proj_bias.data = block.attention.query_key_value.bias.data
    layer.self_attn.out_proj.load_state_dict(block.attention.out[0].state_dict())
    x = torch.randn(3, 20, 16)
    expected, _ = theirs.eval()(x, torch.full((3,), 20))
    torch.testing.assert_close(block.eval()(x, positions_of(20, 16)), expected, rtol=1e-4, atol=1e-4)


def test_attention_is_the_formula_of_transformer_xl():
    """Literally: softmax(((q + u) k^T + (q + v) p^T) / sqrt(d)) values, head by head."""
    torch.manual_seed(0)
    attention = PositionedAttention(8, num_heads=2, dropout=0.1).double().eval()
    x, positions = torch.randn(3, 7, 8).double(), positions_of(7, 8).double()
    query, key, value = attention.query_key_value(attention.norm(x)).split(8, dim=2)
    place = attention.position(positions)
    heads = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        content = (query[..., part] + attention.content_bias[head]) @ key[..., part].transpose(1, 2)
        place_scores = (query[..., part] + attention.position_bias[head]) @ place[:, part].T
        heads.append(torch.softmax((content + place_scores) / 2.0, dim=2) @ value[..., part])
    torch.testing.assert_close(attention(x, positions), attention.out(torch.cat(heads, dim=2)))


def test_sinusoids_are_the_papers():
    table = positions_of(50, 6).double()
    for position in (0, 1, 49):
        for pair in range(3):
            angle = torch.tensor(position / 10000 ** (2 * pair / 6), dtype=torch.float64)
            torch.testing.assert_close(table[position, 2 * pair], angle.sin(), rtol=0, atol=1e-5)
            torch.testing.assert_close(table[position, 2 * pair + 1], angle.cos(), rtol=0, atol=1e-5)


def test_attention_without_positions_does_not_care_about_order():
    attention = ours(16, num_heads=4).attention.eval()
    torch.nn.init.zeros_(attention.position.weight)
    x, order, positions = torch.randn(2, 12, 16), torch.randperm(12), positions_of(12, 16)
    torch.testing.assert_close(attention(x[:, order], positions), attention(x, positions)[:, order])


@pytest.mark.parametrize(("channels", "num_heads"), [(10, 4), (9, 3)])
def test_channels_that_do_not_split_are_refused(channels: int, num_heads: int):
    with pytest.raises(ValueError, match=f"got channels={channels} with num_heads={num_heads}"):
        PositionedAttention(channels, num_heads=num_heads, dropout=0.1)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="got kernel_size=4"):
        ConvolutionModule(8, kernel_size=4, dropout=0.1)
