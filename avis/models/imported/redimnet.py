"""ReDimNet of IDRnD, before and after its code was parted into files, and of WeSpeaker, and WeSpeaker's ReDimNet2."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from avis.models.imported.ecapa_attention import JOINED, part_attention
from avis.models.imported.renaming import Imported, count, rename, take
from avis.models.redimnet import ReDimNet
from avis.models.redimnet2 import ReDimNet2

MAPS = r"backbone\.(?:stage(\d+)\.0\.w|(fin_wght1d)\.w|inputs_weights\.(\d+))"
"""The logits of the sums of maps: IDRnD's for a stage and for the pooling, and the older ones, numbered."""
LAST_MAPS = "fin_wght1d"
RULES = [
    (r"backbone\.stem\.0", "first"),
    (r"backbone\.stem\.1", "first_norm"),
    (r"pool\.linear1", JOINED),
    (r"pool\.linear2", "pooling.attention"),
    (r"bn", "pooling_norm"),
    (r"linear|seg_1", "embedding"),
]
DROPPED = (r"spec\.torchfbank\..*", r"cls_head\..*", r"projection\..*")
BLOCK = {
    r"dwconvs\.0": "conv",
    "norm": "norm",
    "pwconv1": "mix",
    "conv1": "convs.0",
    "conv1pw": "mixes.0",
    "bn1": "norms.0",
    "conv2": "convs.1",
    "conv2pw": "mixes.1",
    "bn2": "norms.1",
    r"se\.squeeze": "gates.squeeze",
    r"se\.exitation": "gates.excite",
}
CONTEXT = {
    r"red_dim_conv\.(\d)": r"narrow.\1",
    r"tcm\.(\d)\.dwconvs\.0": r"convs.\1.conv",
    r"tcm\.(\d)\.norm": r"convs.\1.norm",
    r"tcm\.(\d)\.pwconv1": r"convs.\1.mix",
    r"tcm\.4\.attention\.([qkv])_proj": r"attention.self_attn.\1",
    r"tcm\.4\.attention\.out_proj": "attention.self_attn.out_proj",
    r"tcm\.4\.layer_norm": "attention.norm1",
    r"tcm\.4\.feed_forward\.intermediate_dense": "attention.linear1",
    r"tcm\.4\.feed_forward\.output_dense": "attention.linear2",
    r"tcm\.4\.final_layer_norm": "attention.norm2",
    "exp_dim_conv": "widen",
}
GROUPED = r"stages\.\d+\.blocks\.\d+\.convs?\b.*\.weight"
"""Convolutions of groups of channels; where the channels do not divide, some groups are larger than asked for."""
NORM_EPS = 1e-5


def redimnet(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ReDimNet of an IDRnD or WeSpeaker checkpoint; its stages are read from its tensors.

    WeSpeaker does not normalise what it pooled; its models get a batch normalisation that changes nothing. Views along
    time of another kind than ``conv+att``, and a layer between stages and pooling (``mfa``), are refused.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict. IDRnD's front end is left out.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    IDRnD/ReDimNet, ``redimnet/model.py`` and ``redimnet/layers`` (read at ceeb132), ``redimnet.py`` (at 584a508);
    wenet-e2e/wespeaker, ``wespeaker/models/redimnet.py`` (at 0602516).
    """
    num_stages = count(weights, r"backbone\.stage(\d+)\..*")
    maps, layers = _maps(weights, num_stages)
    conv = 2 if "backbone.stage0.2.weight" in weights else 0
    rules = list(RULES)
    for stage in range(num_stages):
        depth = count(weights, rf"backbone\.stage{stage}\.(\d+)\.conv_block\..*")
        rules += _stage_rules(rf"backbone\.stage{stage}", f"stages.{stage}", conv=conv, depth=depth)
    renamed = _attention(part_attention(rename(layers, rules, dropped=DROPPED))) | maps
    channels, volume = take(renamed, "first.weight").shape[0], take(renamed, "pooling.attention.weight").shape[0]
    if "seg_1.weight" in weights and not any(key.startswith("pooling_norm.") for key in renamed):
        renamed |= _no_norm(2 * volume)
    shapes = [_stage_shape(renamed, stage, volume) for stage in range(num_stages)]
    sizes = {
        "num_mels": volume // channels,
        "channels": channels,
        "stages": shapes,
        "block": _block(renamed),
        "group_size": min(renamed[key].shape[1] for key in renamed if re.fullmatch(GROUPED, key)),
        "context": "pooling.context.weight" in renamed,
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
    }
    return Imported(ReDimNet, sizes, renamed)


def redimnet2(weights: Mapping[str, Tensor]) -> Imported:
    """Return the ReDimNet2 of a WeSpeaker checkpoint; its stages are read from its tensors.

    WeSpeaker's B6 is known, which has a head for every mel. Its other sizes pool one for all mels, or none.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict. The front end is left out.

    Raises
    ------
    ValueError
        Naming the keys that are not those of such a model.

    References
    ----------
    wenet-e2e/wespeaker, ``wespeaker/models/redimnet2.py`` (read at 6a2e0db).
    """
    num_stages = count(weights, r"backbone\.stage(\d+)\..*")
    maps, layers = _maps(weights, num_stages)
    rules = [*RULES, (r"backbone\.head", "head")]
    for stage in range(num_stages):
        depth = count(weights, rf"backbone\.stage{stage}\.(\d+)\.conv_block\..*")
        rules += _stage_rules(rf"backbone\.stage{stage}", f"stages.{stage}", conv=2, depth=depth)
    renamed = _attention(part_attention(rename(layers, rules, dropped=(*DROPPED, r"frontend\..*")))) | maps
    channels, volume = take(renamed, "first.weight").shape[0], take(renamed, "aggregations.0.logits").shape[1]
    width, frames, stages = channels, 1, []
    for stage in range(num_stages):
        expanded, _, stride, joined = take(renamed, f"stages.{stage}.resize.weight").shape
        narrow = take(renamed, f"stages.{stage}.context.narrow.0.weight").shape[0]
        depth, width = count(renamed, rf"stages\.{stage}\.blocks\.(\d+)\..*"), width * stride
        stages.append([stride, joined // frames, depth, expanded / width, volume // narrow])
        frames = joined
    sizes = {
        "num_mels": volume // channels,
        "channels": channels,
        "stages": stages,
        "head_channels": take(renamed, "head.weight").shape[0],
        "embedding_dim": take(renamed, "embedding.weight").shape[0],
    }
    return Imported(ReDimNet2, sizes, renamed)


def _maps(weights: Mapping[str, Tensor], num_stages: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part the logits of sums, of which a sum of one map has none that count, from the weights of layers."""
    maps, layers = {}, {}
    for key, value in weights.items():
        match = re.fullmatch(MAPS, key)
        if match is None:
            layers[key] = value
            continue
        stage, last, numbered = match.groups()
        index = num_stages if last == LAST_MAPS else int(numbered or stage)
        if index > 0:
            maps[f"aggregations.{index - 1}.logits"] = value.squeeze(0)
    return maps, layers


def _stage_rules(old: str, own: str, *, conv: int, depth: int) -> list[tuple[str, str]]:
    """Return how a stage's layers are renamed, whose first convolution has the number ``conv``."""
    rules = [(rf"{old}\.{conv}", f"{own}.resize"), (rf"{old}\.{conv + depth + 1}\.([013])", rf"{own}.compress.\1")]
    for block in range(depth):
        theirs = rf"{old}\.{conv + 1 + block}\.conv_block"
        rules += [(rf"{theirs}\.{layer}", f"{own}.blocks.{block}.{new}") for layer, new in BLOCK.items()]
    rules += [(rf"{old}\.\d+\.{layer}", f"{own}.context.{new}") for layer, new in CONTEXT.items()]
    return rules


def _attention(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the projections to queries, keys and values, as PyTorch has them."""
    joined = dict(weights)
    for key in weights:
        match = re.fullmatch(r"(.*\.self_attn)\.q\.(\w+)", key)
        if match:
            layer, parameter = match.groups()
            parts = [f"{layer}.{kind}.{parameter}" for kind in "qkv"]
            joined[f"{layer}.in_proj_{parameter}"] = torch.cat([take(weights, part) for part in parts])
            for part in parts:
                del joined[part]
    return joined


def _no_norm(channels: int) -> dict[str, Tensor]:
    zeros, ones = torch.zeros(channels), torch.ones(channels)
    values = {"weight": ones * (1 + NORM_EPS) ** 0.5, "bias": zeros, "running_mean": zeros, "running_var": ones}
    return {f"pooling_norm.{name}": value for name, value in values.items()}


def _stage_shape(weights: dict[str, Tensor], stage: int, volume: int) -> list[int]:
    """Return stride, blocks, expansion and reduction of a stage."""
    own = f"stages.{stage}"
    width, _, stride, _ = take(weights, f"{own}.resize.weight").shape
    compressed, narrow = weights.get(f"{own}.compress.0.weight"), weights.get(f"{own}.context.narrow.0.weight")
    return [
        stride,
        count(weights, rf"stages\.{stage}\.blocks\.(\d+)\..*"),
        1 if compressed is None else width // compressed.shape[0],
        0 if narrow is None else volume // narrow.shape[0],
    ]


def _block(weights: dict[str, Tensor]) -> str:
    if "stages.0.blocks.0.conv.weight" in weights:
        return "convnext"
    return "gated_resnet" if "stages.0.blocks.0.gates.squeeze.weight" in weights else "resnet"
